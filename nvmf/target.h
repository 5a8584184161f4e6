// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/registry.h"
#include "core/placement.h"
#include "core/reactor_group.h"
#include "nvmf/core_counters.h"
#include "nvmf/host_addresses.h"
#include "nvmf/model/discovery.h"
#include "nvmf/model/target_options.h"
#include "nvmf/model/target_state.h"
#include "nvmf/transport.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace causeway::nvmf {

class subsystem;
struct subsystem_options;

/// Everything that hosts can see: subsystems, their allowed hosts and listeners, and the transports. Lives on the
/// control reactor but for the data path's begin(), execute() and detach(), which run on a qpair's.
class target {
  public:
    /// `homes` assigns queue pairs their cores.
    target(core::placement& homes, bdev::registry& devices, target_options options = {});
    ~target();

    // ---- What transports call, on the qpair's reactor.

    /// The core for queue pair `qid`, among those for which `has_room` returns true. Empty: no such core. Control
    /// reactor.
    core::core_lease assign_core(std::uint16_t qid, const core::placement::predicate& has_room = {});

    /// Step 1. Parses and checks `r.command`, fills transfer and length.
    ///
    /// Commands of a queue pair in the order of its submission queue: fused pairs are made here. May
    /// respond() to an earlier one of them.
    nvme::status begin(request& r) noexcept;
    /// Instead of step 3: a request that begin() has accepted will not reach execute(), because the transport
    /// answers it itself (its SGL is wrong, it was aborted while it waited) or drops it. Before that answer.
    /// May respond() to its other half.
    void abandon(request& r) noexcept;
    /// Step 3. Ends with r.qpair->respond(r).
    void execute(request& r) noexcept;
    /// The connection is closed for new commands: everything that the target holds of it (async event
    /// requests, a held fused command) comes back through respond(); ends when nothing of it is executing any
    /// more. After that the transport destroys the qpair.
    core::task<> detach(qpair& q);

    // ---- Control interface, on the control reactor.

    /// Passes all host keys to it. EEXIST; ESHUTDOWN (the target ends); EINVAL: it cannot carry a block of one of the
    /// namespaces.
    core::result<> add_transport(std::unique_ptr<transport> t);
    transport* find_transport(std::string_view trtype) const noexcept { return state_.transports.find(trtype); }
    const std::vector<std::unique_ptr<transport>>& transports() const noexcept { return state_.transports.all(); }

    /// EEXIST, EINVAL, ENOSPC.
    core::task<core::result<subsystem*>> create_subsystem(subsystem_options options);
    /// ENODEV. Not listed any more when the task first suspends; ends when its connections are gone. Without the
    /// discovery subsystem no host is told anything, and it cannot be created again.
    core::task<core::result<>> delete_subsystem(std::string nqn);
    /// By the NQN that operators use.
    subsystem* find_subsystem(std::string_view nqn) const noexcept;
    /// By an NQN that hosts may use, see subsystem::nqns().
    subsystem* find_for_host(std::string_view subnqn) const noexcept;
    const std::vector<std::shared_ptr<subsystem>>& subsystems() const noexcept { return state_.subsystems; }
    subsystem& discovery() const noexcept { return state_.discovery(); }

    core::reactor_group& group() const noexcept { return group_; }
    bdev::registry& devices() const noexcept { return state_.devices; }
    const target_options& options() const noexcept { return options_; }

    nvmf::discovery_log& discovery_log() const noexcept { return *state_.discovery_log; }
    nvmf::referrals& referrals() noexcept { return state_.referrals; }
    const nvmf::referrals& referrals() const noexcept { return state_.referrals; }

    host_addresses& addresses_of_hosts() noexcept { return host_addresses_; }

    using core_counters = nvmf::core_counters;
    core::per_core<core_counters>& counters() noexcept { return counters_; }
    /// Where transports register theirs: labels "transport" and "device".
    core::counter_registry& counter_list() const noexcept { return devices().counter_list(); }

    /// Ends all connections and removes all subsystems.
    core::task<> shutdown();

  private:
    nvme::status begin_admin(request& r) noexcept;

    core::reactor_group& group_;
    core::placement& homes_;
    const target_options options_;
    target_state state_;
    host_addresses host_addresses_;
    core::per_core<core_counters> counters_;
    core::counter_registration counted_;
    bool closing_ = false;
};

}  // namespace causeway::nvmf
