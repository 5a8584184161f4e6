// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "host/loop/host_controller.h"
#include "tests/simulation/simulated_system.h"
#include "tests/simulation/worker.h"

#include <cstdint>
#include <string>

namespace causeway::simulation {

/// A host: connects to one subsystem after the other, does I/O, and leaves in one of many ways. Lives on its reactor.
class host {
  public:
    host(simulated_system& w, std::size_t number);

    /// All its sessions, on its reactor.
    core::task<> live();
    bool done() const noexcept { return done_; }

    /// Connects to each subsystem and reads all its disks, when nothing is wrong any more. On any reactor.
    core::task<> audit();

  private:
    enum class ending : std::uint8_t { in_order, drop, drop_one_queue, reset, vanish };
    ending draw_ending();
    bool may_be_parting() const;

    loop::host_options options_for(std::size_t subsystem) const;
    core::task<> session();
    core::task<> play(loop::host_controller& c);
    core::task<> end(loop::host_controller& c, ending how);
    core::task<> wait_for_silence(loop::host_controller& c);
    core::task<> keep_alive(loop::host_controller& c);
    core::task<> listen_to_events(loop::host_controller& c);
    core::task<> ask_for_commands_back(loop::host_controller& c);
    core::task<> look_at_changed_namespaces(loop::host_controller& c);

    simulated_system& system_;
    const std::size_t number_;
    const plan::host plan_;
    session_state state_;
    bool silent_ = false;      ///< no more keep-alives
    unsigned companions_ = 0;  ///< coroutines that accompany the session
    unsigned budget_ = 0;      ///< commands that are left in it
    bool done_ = false;
};

}  // namespace causeway::simulation
