// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/wait_queue.h"

namespace causeway::core {

/// Something that has happened, or not yet; any number of tasks wait for it. All of it on one reactor.
///
/// set() wakes every task that waits, in the order in which they came; each goes on after set() has returned, even if
/// reset() has come in between. Tasks may be destroyed while they wait, and may destroy the event when they go on.
/// REQUIRES: no task waits when it is destroyed.
class event {
  public:
    event() noexcept = default;

    bool is_set() const noexcept { return set_; }
    void set() {
        set_ = true;
        waiters_.wake_all();
    }
    void reset() noexcept { set_ = false; }

    /// `co_await e.wait()`: continues at once if it is set, else when it has been set.
    auto wait() noexcept { return wait_queue::wait(waiters_, set_); }
    /// `co_await e.wait_for(limit)`: true: it has been set; false: `limit` was over first. A limit of 0 or less does
    /// not wait.
    auto wait_for(nanoseconds limit) noexcept { return wait_queue::wait(waiters_, set_, limit); }

  private:
    bool set_ = false;
    wait_queue waiters_;
};

}  // namespace causeway::core
