// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "core/task.h"
#include "nvmf/model/keyring.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace causeway::nvmf {

class subsystem;

/// Which hosts may use one subsystem, which owns this, and the keys that they must prove. Control reactor.
///
/// A host that loses its right is disconnected at once; transports know exactly the keys of the hosts on the list.
class access {
  public:
    access(subsystem& owner, bool allow_any_host) : subsystem_(owner), allow_any_host_(allow_any_host) {}

    /// `psk`: the key by which the host authenticates where there is a secure channel; nullptr: it cannot connect
    /// there. A host with a key must always prove it, and connections under its NQN that have not are closed. EEXIST,
    /// EINVAL.
    core::result<> add_host(std::string nqn, std::shared_ptr<const key> psk = nullptr);
    core::task<core::result<>> remove_host(std::string nqn);  ///< ENOENT; ends when its connections are gone
    /// Connections stay: for the end of the subsystem.
    void remove_all_hosts();
    core::task<> set_allow_any_host(bool allow);  ///< ends when the connections of hosts without a right are gone

    bool allow_any_host() const noexcept { return allow_any_host_; }
    /// Their names and pre-shared keys.
    const std::map<std::string, std::shared_ptr<const key>>& hosts() const noexcept { return hosts_; }
    bool allows(std::string_view host_nqn) const noexcept;
    /// Whether that host has a key for this subsystem, which it must prove.
    bool has_key(std::string_view host_nqn) const noexcept;

  private:
    subsystem& subsystem_;
    std::map<std::string, std::shared_ptr<const key>> hosts_;
    bool allow_any_host_;
};

}  // namespace causeway::nvmf
