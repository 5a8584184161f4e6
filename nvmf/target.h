#pragma once

#include "bdev/registry.h"
#include "core/reactor_group.h"
#include "nvmf/transport.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace causeway::nvmf {

class subsystem;
struct subsystem_options;

struct target_options {
    std::uint32_t max_subsystems = 1024;
    std::uint16_t crdt[3] = {0, 0, 0};
};

/// All that hosts can see: subsystems, who may use them, where, and the transports. Lives on the control reactor but
/// for the data path's begin(), execute() and detach(), which run on a qpair's.
class target {
  public:
    target(core::reactor_group& group, bdev::registry& devices, target_options options = {});
    ~target();

    // ---- What transports call, on the qpair's reactor.

    /// Where the queue pair `qid` that a host asks for shall live: any reactor may ask, the answer comes from the control
    /// reactor's placement (admin queues in turn, I/O queues to the core with the fewest). Control reactor.
    core::reactor& place_qpair(std::uint16_t qid) noexcept;
    void unplace_qpair(core::reactor& r) noexcept;

    /// Step 1. Parses and checks `r.command`, fills transfer and length.
    nvme::status begin(request& r) noexcept;
    /// Step 3. Ends with r.qpair->respond(r).
    void execute(request& r) noexcept;
    /// The connection is closed for new commands: everything that the target holds of it (async event requests, a held
    /// fused command) comes back through respond(); ends when nothing of it is executing any more. After that the
    /// transport destroys the qpair.
    core::task<> detach(qpair& q);

    // ---- Control interface, on the control reactor.

    core::result<> add_transport(std::unique_ptr<transport> t);
    transport* find_transport(std::string_view trtype) const noexcept;
    const std::vector<std::unique_ptr<transport>>& transports() const noexcept { return transports_; }

    core::task<core::result<subsystem*>> create_subsystem(subsystem_options options);
    core::task<core::result<>> delete_subsystem(std::string nqn);
    subsystem* find_subsystem(std::string_view nqn) const noexcept;
    const std::vector<std::unique_ptr<subsystem>>& subsystems() const noexcept { return subsystems_; }
    subsystem& discovery() const noexcept { return *subsystems_.front(); }

    core::reactor_group& group() const noexcept { return group_; }
    bdev::registry& devices() const noexcept { return devices_; }

    /// The discovery log has changed for somebody: discovery controllers hear of it.
    void discovery_changed();
    std::uint64_t discovery_generation() const noexcept { return generation_; }

    /// What a core has seen. Written by that core.
    struct core_counters {
        core::counter admin_qpairs, io_qpairs;                  ///< ever
        core::counter current_admin_qpairs, current_io_qpairs;  ///< now
        core::counter current_unassociated_qpairs;
        core::counter pending_bdev_io;
        core::counter completed_nvme_io;
        core::counter refused_commands;  ///< answered with a status before they ran
    };
    core::per_core<core_counters>& counters() noexcept { return counters_; }

    /// Ends all connections and removes all subsystems.
    core::task<> shutdown();

  private:
    friend class subsystem;
    friend class controller;
    core::reactor_group& group_;
    bdev::registry& devices_;
    const target_options options_;
    std::vector<std::unique_ptr<transport>> transports_;
    std::vector<std::unique_ptr<subsystem>> subsystems_;  ///< discovery first
    std::uint64_t generation_ = 1;
    core::per_core<core_counters> counters_;
    std::vector<unsigned> placed_;
    std::size_t next_core_ = 0;
};

}  // namespace causeway::nvmf
