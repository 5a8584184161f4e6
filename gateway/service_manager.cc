// SPDX-License-Identifier: Apache-2.0
#include "gateway/service_manager.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

namespace causeway::gateway {

service_manager::service_manager(core::reactor& control, std::function<std::string()> status)
    : status_(std::move(status)), alive_(control, [this] { show_alive(); }) {
    std::uint64_t limit_us = 0;
    if (::sd_watchdog_enabled(0, &limit_us) > 0)
        interval_ = std::chrono::microseconds(limit_us) / 2;
    show_alive();
}

/// The socket is not blocking, and a message that it does not take is not missed: the next one follows.
void service_manager::tell(const char* state) {
    ::sd_notify(0, fmt::format("{}\nSTATUS={}", state, status_()).c_str());
}

void service_manager::ready() {
    tell("READY=1");
}

void service_manager::stopping() {
    alive_.cancel();
    ::sd_notify(0, "STOPPING=1");
}

void service_manager::show_alive() {
    if (interval_ == core::nanoseconds::zero())
        return;
    tell("WATCHDOG=1");
    alive_.arm_after(interval_);
}

}  // namespace causeway::gateway
