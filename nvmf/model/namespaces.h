// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/model/nvm_namespace.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace causeway::nvmf {

class controller;
class subsystem;

struct namespace_params {
    std::string bdev_name;
    std::uint32_t nsid = 0;  ///< 0: the lowest free one
    std::optional<nvmf::nguid> nguid;
    std::optional<nvmf::eui64> eui64;
    std::optional<bdev::uuid> uuid;  ///< of the namespace; the device's own where absent
    bool auto_visible = true;        ///< false: no host sees it until hosts are added to it
    std::uint32_t ana_group = 0;     ///< 0: the one with the number of the nsid
    std::string ptpl_file{};         ///< where its reservation is kept when it persists; empty: nowhere
};

/// The namespaces of one subsystem, which owns this. Control reactor; each core has its own table of them for the data
/// path.
///
/// Nothing here waits for a device, except the end of a removal. What an operator removes disappears at once for hosts
/// and for management clients. I/O that is still in flight ends in the background; if it hangs, it delays nothing else.
class namespaces {
  public:
    using map = std::map<std::uint32_t, std::shared_ptr<nvm_namespace>>;  ///< by nsid

    explicit namespaces(subsystem& owner);

    /// The nsid. ENODEV (no such device), EBUSY (claimed), EEXIST (nsid or an identifier is taken), ENOSPC,
    /// EINVAL; what its reservation's store says.
    core::task<core::result<std::uint32_t>> add(namespace_params p);
    /// Hosts and all() no longer have it when the task first suspends. Ends when the device's claim is released, or
    /// after a second if the device hangs: the claim is released later then. ENODEV.
    core::task<core::result<>> remove(std::uint32_t nsid);
    /// As remove(), for all at once.
    core::task<> remove_all();

    const map& all() const noexcept { return all_; }
    /// Any that the host of `c` sees.
    bool have_volatile_write_cache(const controller& c) const noexcept;
    bool any_has_reservations(const controller& c) const noexcept;
    /// The host of `c` sees namespaces, and the devices of all of them serve `o`.
    bool all_serve(bdev::op o, const controller& c) const noexcept;
    /// Ends when the commands that cores have on `ns` now have ended; others go on meanwhile.
    core::task<> drain_executing(std::shared_ptr<nvm_namespace> ns);
    /// Of one core, which alone may look into it.
    const namespace_table& table(std::size_t core) const noexcept { return tables_.on(core); }

    // ---- Which hosts see a namespace (visibility.cc). Each ends when all cores know the change. Nobody is paused.

    /// Visible to all hosts, whoever was added before; or to no host until hosts are added. ENODEV.
    core::task<core::result<>> set_auto_visible(std::uint32_t nsid, bool auto_visible);
    /// For hosts that are connected and those to come. ENODEV; EPERM: all hosts see it; EINVAL: not a host NQN. One
    /// that is there already is fine, and so is one that is not.
    core::task<core::result<>> add_host(std::uint32_t nsid, std::string host_nqn);
    core::task<core::result<>> remove_host(std::uint32_t nsid, std::string host_nqn);

    // ---- What controllers report to their hosts.

    void announce_change(const nvm_namespace& ns);
    void announce_health();
    void announce_reservation(const nvm_namespace& ns, const std::vector<reservation::notification>& what);

  private:
    core::result<nvm_namespace::identity> identify(const namespace_params& p, const bdev::device& d) const;
    core::result<> check_identifiers(const nvm_namespace::identity& id, const bdev::device& d) const;
    core::result<> check_ptpl_file(const std::string& file) const;
    std::uint32_t free_nsid() const noexcept;
    core::result<std::shared_ptr<nvm_namespace>> find(std::uint32_t nsid) const;
    core::task<core::result<>> change_visible_hosts(std::uint32_t nsid, std::string host_nqn, bool visible);
    core::task<> show_to(std::shared_ptr<nvm_namespace> ns, visible_hosts hosts);
    std::shared_ptr<nvm_namespace> begin_removal(std::uint32_t nsid);
    core::task<> tear_down(std::shared_ptr<nvm_namespace> ns);
    core::task<> wait_for_removals(std::vector<std::shared_ptr<nvm_namespace>> going) const;

    subsystem& subsystem_;
    map all_;
    core::per_core<namespace_table> tables_;
};

}  // namespace causeway::nvmf
