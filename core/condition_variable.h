// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/task.h"
#include "core/wait_queue.h"

namespace causeway::core {

/// For a state of ours that tasks wait for: whatever changes the state calls notify_all(), and each task that waits
/// looks at it again. All of it on one reactor, so without a lock.
///
/// A task goes on after notify_all() has returned, and only if the condition holds then. It may be destroyed while it
/// waits, and may destroy the condition variable once it has gone on. REQUIRES: no task waits when it is destroyed.
class condition_variable {
  public:
    void notify_all() { waiters_.wake_all(); }

    /// Ends when `holds()`, which is looked at first of all.
    template <class Condition>
    task<> wait(Condition holds) {
        while (!holds())
            co_await wait_queue::wait(waiters_, false);
    }
    /// Likewise, or when `limit` is over. Whether it holds in the end.
    template <class Condition>
    task<bool> wait_for(nanoseconds limit, Condition holds) {
        const reactor& here = *reactor::current();
        const ticks end = here.time().now() + here.time().to_ticks(limit);
        while (!holds()) {
            const ticks now = here.time().now();
            if (now >= end)
                co_return false;
            co_await wait_queue::wait(waiters_, false, here.time().to_nanoseconds(end - now));
        }
        co_return true;
    }

  private:
    wait_queue waiters_;
};

}  // namespace causeway::core
