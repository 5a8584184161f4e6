// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "core/task.h"
#include "nvmf/model/auth_exchange.h"
#include "nvmf/model/keyring.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace causeway::nvmf {

class subsystem;

/// What a host must prove, as operators have given it.
struct host_keys {
    /// By which it authenticates where there is a secure channel; nullptr: it cannot connect there.
    std::shared_ptr<const key> psk{};
    /// For in-band authentication; nullptr: none is asked for.
    std::shared_ptr<const key> dhchap{};
    /// By which the subsystem proves itself to the host, where that asks for it. Only together with `dhchap`.
    std::shared_ptr<const key> dhchap_ctrlr{};
};

/// Which hosts may use one subsystem, which owns this, and the keys that they must prove. Control reactor.
///
/// A host that loses its right is disconnected at once; transports know exactly the keys of the hosts on the list.
class access {
  public:
    access(subsystem& owner, bool allow_any_host) : subsystem_(owner), allow_any_host_(allow_any_host) {}

    /// A host with keys must always prove them, and connections under its NQN that have not are closed. EEXIST,
    /// EINVAL.
    core::result<> add_host(std::string nqn, host_keys keys = {});
    /// The keys for in-band authentication, in place of those that the host has; nullptr: none. They count from the
    /// next authentication on: connections stay. ENOENT, EINVAL.
    core::result<> set_dhchap_keys(std::string_view nqn, std::shared_ptr<const key> dhchap,
                                   std::shared_ptr<const key> dhchap_ctrlr);
    core::task<core::result<>> remove_host(std::string nqn);  ///< ENOENT; ends when its connections are gone
    /// Connections stay: for the end of the subsystem.
    void remove_all_hosts();
    core::task<> set_allow_any_host(bool allow);  ///< ends when the connections of hosts without a right are gone

    bool allow_any_host() const noexcept { return allow_any_host_; }
    /// Their names and keys.
    const std::map<std::string, host_keys, std::less<>>& hosts() const noexcept { return hosts_; }
    bool allows(std::string_view host_nqn) const noexcept;
    /// Whether that host has a pre-shared key for this subsystem, which it must prove.
    bool has_psk(std::string_view host_nqn) const noexcept;
    /// Whether that host must authenticate in band.
    bool has_dhchap_key(std::string_view host_nqn) const noexcept;
    /// By which it does so; nullptr: it has none.
    std::shared_ptr<const dhchap_keys> dhchap_keys_of(std::string_view host_nqn) const;

  private:
    subsystem& subsystem_;
    std::map<std::string, host_keys, std::less<>> hosts_;
    bool allow_any_host_;
};

}  // namespace causeway::nvmf
