// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/simulation/simulated_system.h"

namespace causeway::simulation {

/// Who runs the gateway: adds and removes namespaces, devices, subsystems, hosts; resizes disks. Each step undoes
/// itself after a while. Several may work at once, on different things.
class gateway_operator {
  public:
    explicit gateway_operator(simulated_system& w) : system_(w) {}
    core::task<> work(unsigned operations);
    bool done() const noexcept { return done_; }

  private:
    disk* take_disk();
    subsystem_state* take_subsystem();

    core::task<> resize();
    core::task<> move_namespace();
    core::task<> replace_device();
    core::task<> remake_subsystem();
    core::task<> shut_hosts_out();
    core::task<> stop_listening();
    core::task<> bring_back(disk& d, std::size_t subsystem);

    simulated_system& system_;
    bool done_ = false;
};

/// Makes devices fail. Works until it is stopped, and repairs all that it has broken.
class saboteur {
  public:
    explicit saboteur(simulated_system& w) : system_(w) {}
    core::task<> work();
    void stop() noexcept { stopping_ = true; }
    bool done() const noexcept { return done_; }

  private:
    void spoil(bdev::fault_device& d);

    simulated_system& system_;
    bool stopping_ = false;
    bool done_ = false;
};

}  // namespace causeway::simulation
