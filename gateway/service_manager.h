// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/timer.h"

#include <functional>
#include <string>

namespace causeway::gateway {

/// What systemd is told of a service of Type=notify (sd_notify(3)): that it is ready, how it is, that its control
/// reactor is alive (WatchdogSec=), and that it ends. Does nothing where no service manager asked for it.
///
/// Lives on the control reactor.
class service_manager {
  public:
    /// `status`: one line for `systemctl status`.
    service_manager(core::reactor& control, std::function<std::string()> status);

    void ready();
    void stopping();

  private:
    void tell(const char* state);
    void show_alive();

    const std::function<std::string()> status_;
    core::nanoseconds interval_{};  ///< of signs of life; 0: none are wanted
    core::timer alive_;
};

}  // namespace causeway::gateway
