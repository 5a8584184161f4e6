// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/reactor_group.h"
#include "core/task.h"
#include "core/timer.h"

#include <atomic>
#include <cstdint>
#include <memory>

namespace causeway::nvmf {

class controller;

/// Detects hosts that are gone. NVM Express Base Specification 2.0, "Keep Alive".
///
/// The queue's core stores the time of the last sign of life. When the timeout may have passed, the control reactor
/// checks that time, and asks the queue's core first: a core that was stalled itself has not read its queue yet.
class keep_alive {
  public:
    /// `queue`: where the admin queue lives.
    keep_alive(core::reactor& control, core::reactor& queue);

    /// Any reactor: a Keep Alive command has come.
    void refresh() noexcept { last_refresh_.store(queue_.time().now(), std::memory_order_relaxed); }
    /// Any reactor: some other command has come.
    void traffic() noexcept {
        if (any_command_.load(std::memory_order_relaxed))
            refresh();
    }

    // Control reactor.
    /// `timeout` of 0: off. `any_command`: not only Keep Alive counts.
    void start(controller& c, core::nanoseconds timeout, bool any_command);
    void stop() noexcept;
    core::nanoseconds timeout() const noexcept { return timeout_; }

  private:
    void arm(core::nanoseconds delay) { timer_.arm_after(delay); }
    static core::task<> look(std::shared_ptr<controller> c);

    core::reactor& control_;
    core::reactor& queue_;
    std::atomic<core::ticks> last_refresh_;
    std::atomic<bool> any_command_{false};
    core::nanoseconds timeout_{};
    controller* controller_ = nullptr;
    core::timer timer_;
};

}  // namespace causeway::nvmf
