// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/fifo.h"
#include "core/reactor.h"

#include <cassert>
#include <coroutine>
#include <optional>

namespace causeway::core {

/// The tasks that wait in an event, a condition_variable, a gate or an async_mutex, in the order in which they came.
/// Owned by one reactor.
///
/// Waking a task does not run it. It goes on by a timer without delay, after whatever runs now has returned: the caller
/// of wake_one() may be in the middle of anything, and the task that goes on may destroy what it waited for. A task may
/// be destroyed while it waits, and between being woken and going on.
class wait_queue {
  public:
    /// A part of an awaiter, and so of the frame of the task that waits.
    class waiter {
      public:
        waiter() noexcept = default;
        waiter(const waiter&) = delete;
        waiter& operator=(const waiter&) = delete;
        ~waiter() { leave(); }

        /// For await_suspend(): `h` goes on when it is woken, or `limit` is over.
        void wait(wait_queue& q, std::coroutine_handle<> h, std::optional<nanoseconds> limit = std::nullopt) {
            home_ = reactor::current();
            timer_.emplace(*home_, [this, h] {
                leave();
                h.resume();
            });
            queue_ = &q;
            q.waiters_.push_back(*this);
            if (limit)
                timer_->arm_after(*limit);
        }
        /// False while it waits, and if its time ran out.
        bool woken() const noexcept { return woken_; }

      private:
        friend class wait_queue;

        void wake() {
            assert(!reactor::current() || reactor::current() == home_);
            leave();
            woken_ = true;
            timer_->arm_after(nanoseconds{0});
        }
        void leave() noexcept {
            if (queue_)
                queue_->waiters_.remove(*this);
            queue_ = nullptr;
        }

        wait_queue* queue_ = nullptr;  ///< nullptr: does not wait there, or not any more
        waiter* before_ = nullptr;
        waiter* after_ = nullptr;
        bool woken_ = false;
        reactor* home_ = nullptr;
        std::optional<timer> timer_;  ///< first for its limit, then for going on
    };

    /// What is awaited: true: woken, or `ready` from the beginning; false: `limit` was over first. A limit of 0 or less
    /// does not wait.
    class [[nodiscard]] wait {
      public:
        wait(wait_queue& q, bool ready, std::optional<nanoseconds> limit = std::nullopt) noexcept
            : queue_(q), ready_(ready), limit_(limit) {}
        bool await_ready() const noexcept { return ready_ || (limit_ && limit_->count() <= 0); }
        void await_suspend(std::coroutine_handle<> h) { waiter_.wait(queue_, h, limit_); }
        bool await_resume() const noexcept { return ready_ || waiter_.woken(); }

      private:
        wait_queue& queue_;
        const bool ready_;
        const std::optional<nanoseconds> limit_;
        waiter waiter_;
    };

    wait_queue() noexcept = default;
    wait_queue(const wait_queue&) = delete;
    wait_queue& operator=(const wait_queue&) = delete;
    ~wait_queue() { assert(empty()); }

    bool empty() const noexcept { return waiters_.empty(); }

    /// Wakes the task that has waited for longest. False: none waits.
    bool wake_one() {
        waiter* const first = waiters_.front();
        if (first)
            first->wake();
        return first != nullptr;
    }
    void wake_all() {
        while (wake_one()) {
        }
    }

  private:
    fifo<waiter, &waiter::before_, &waiter::after_> waiters_;
};

}  // namespace causeway::core
