// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/registry.h"
#include "core/async_mutex.h"
#include "core/reactor_group.h"
#include "nvmf/core_counters.h"
#include "nvmf/host_addresses.h"
#include "nvmf/model/discovery.h"
#include "nvmf/model/host_numbers.h"
#include "nvmf/model/port_lease.h"
#include "nvmf/transport.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace causeway::nvmf {

class subsystem;
struct key;
struct subsystem_options;

struct target_options {
    std::uint32_t max_subsystems = 1024;
    std::uint16_t crdt[3] = {0, 0, 0};
    discovery_limits discovery{};
};

/// Everything that hosts can see: subsystems, their allowed hosts and listeners, and the transports. Lives on the
/// control reactor but for the data path's begin(), execute() and detach(), which run on a qpair's.
class target {
  public:
    target(core::reactor_group& group, bdev::registry& devices, target_options options = {});
    ~target();

    // ---- What transports call, on the qpair's reactor.

    /// Chooses the core for queue pair `qid`: admin queues round-robin, I/O queues on the core with the fewest. Counted
    /// there until release_core(). Control reactor.
    core::reactor& assign_core(std::uint16_t qid) noexcept;
    /// The same among the cores for which `has_room` returns true; nullptr: no such core.
    core::reactor* assign_core(std::uint16_t qid, const std::function<bool(const core::reactor&)>& has_room);
    void release_core(core::reactor& r) noexcept;

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
    transport* find_transport(std::string_view trtype) const noexcept;
    const std::vector<std::unique_ptr<transport>>& transports() const noexcept { return transports_; }

    /// EEXIST, EINVAL, ENOSPC.
    core::task<core::result<subsystem*>> create_subsystem(subsystem_options options);
    /// ENODEV; EINVAL for the discovery subsystem. Not listed any more when the task first suspends; ends
    /// when its connections are gone.
    core::task<core::result<>> delete_subsystem(std::string nqn);
    subsystem* find_subsystem(std::string_view nqn) const noexcept;
    const std::vector<std::shared_ptr<subsystem>>& subsystems() const noexcept { return subsystems_; }
    subsystem& discovery() const noexcept { return *subsystems_.front(); }

    core::reactor_group& group() const noexcept { return group_; }
    bdev::registry& devices() const noexcept { return devices_; }
    const target_options& options() const noexcept { return options_; }

    nvmf::discovery_log& discovery_log() const noexcept { return *discovery_log_; }

    host_numbers& host_number_leases() noexcept { return host_numbers_; }
    host_addresses& addresses_of_hosts() noexcept { return host_addresses_; }

    using core_counters = nvmf::core_counters;
    core::per_core<core_counters>& counters() noexcept { return counters_; }

    /// Ends all connections and removes all subsystems.
    core::task<> shutdown();

  private:
    friend class subsystem;

    nvme::status begin_admin(request& r) noexcept;

    // Ports: an address that several subsystems listen at is one, on whose options they agree.
    /// Fills `lease` before the first connection can come; empty where it fails. EINVAL, and transport::listen()'s.
    core::task<core::result<>> lease_port(transport& fabric, transport_address at, listen_options options,
                                          port_lease& lease);
    core::task<core::result<>> lease_in_turn(transport& fabric, transport_address at, listen_options options,
                                             port_lease& lease);
    /// Ends when the ports of this transport without leases have stopped listening.
    core::task<> close_unused_ports(transport& fabric);
    std::shared_ptr<open_port> find_port(const transport_address& at) const noexcept;
    std::uint16_t free_port_id() noexcept;

    /// All transports, or none. EINVAL: one of them has no use for such a key.
    core::result<> subsystem_add_host(const std::string& subnqn, const std::string& hostnqn, const key& psk);
    void subsystem_remove_host(const std::string& subnqn, const std::string& hostnqn) noexcept;
    /// EINVAL: one of the transports cannot carry a block of it.
    core::result<> check_block_size(const bdev::device& d) const;

    core::reactor_group& group_;
    bdev::registry& devices_;
    const target_options options_;
    std::vector<std::unique_ptr<transport>> transports_;
    std::vector<std::shared_ptr<subsystem>> subsystems_;  ///< discovery first
    std::vector<std::shared_ptr<open_port>> ports_;
    std::map<const transport*, core::async_mutex> port_changes_;  ///< one at a time for each transport
    host_numbers host_numbers_;
    host_addresses host_addresses_;
    std::uint16_t last_port_id_ = 0;
    const std::shared_ptr<nvmf::discovery_log> discovery_log_;
    core::per_core<core_counters> counters_;
    std::vector<unsigned> qpair_counts_;
    std::size_t next_core_ = 0;
    bool closing_ = false;
};

}  // namespace causeway::nvmf
