// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/environment.h"
#include "core/reactor_group.h"

namespace causeway::core {

/// Runs each reactor of a group on an lcore of its own: reactor i on that of environment.cpus()[i].
class lcore_runner {
  public:
    /// REQUIRES: as many reactors as lcores.
    lcore_runner(const environment& env, reactor_group& group);

    /// The main thread runs the control reactor. Returns when all reactors have been stopped.
    void run();
    /// Any thread, and a signal handler. Stops all of them.
    void stop() noexcept;

  private:
    const environment& environment_;
    reactor_group& group_;
};

}  // namespace causeway::core
