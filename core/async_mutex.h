// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/wait_queue.h"

#include <cassert>
#include <utility>

namespace causeway::core {

/// Lets control operations through one at a time, in the order in which they came: `auto lock = co_await m.lock();`.
/// Held across co_await, also while its holder visits other reactors; taken and released on one reactor.
///
/// Release hands it to the task that has waited for longest, which goes on after the release has returned. A task that
/// is destroyed before it goes on passes it on. REQUIRES: not held when it is destroyed, and no task waits.
class async_mutex {
  public:
    /// Holds the mutex for as long as it lives.
    class [[nodiscard]] scoped_lock {
      public:
        scoped_lock(scoped_lock&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
        scoped_lock& operator=(scoped_lock&&) = delete;
        ~scoped_lock() { unlock(); }

        /// Before the end of its scope. Does nothing the second time.
        void unlock() {
            if (async_mutex* const m = std::exchange(mutex_, nullptr))
                m->release();
        }

      private:
        friend class async_mutex;
        explicit scoped_lock(async_mutex& m) noexcept : mutex_(&m) {}
        async_mutex* mutex_;
    };

    async_mutex() noexcept = default;
    async_mutex(const async_mutex&) = delete;
    async_mutex& operator=(const async_mutex&) = delete;
    ~async_mutex() { assert(!locked_); }

    bool is_locked() const noexcept { return locked_; }

    /// `co_await m.lock()` gives a scoped_lock: at once if the mutex is free.
    auto lock() noexcept { return acquisition(*this); }

  private:
    class [[nodiscard]] acquisition {
      public:
        explicit acquisition(async_mutex& m) noexcept : mutex_(m) {}
        acquisition(const acquisition&) = delete;
        acquisition& operator=(const acquisition&) = delete;
        ~acquisition() {
            if (waiter_.woken() && !taken_)
                mutex_.release();  // handed over, and then destroyed before it went on
        }
        bool await_ready() noexcept { return !std::exchange(mutex_.locked_, true); }
        void await_suspend(std::coroutine_handle<> h) { waiter_.wait(mutex_.waiters_, h); }
        scoped_lock await_resume() noexcept {
            taken_ = true;
            return scoped_lock(mutex_);
        }

      private:
        async_mutex& mutex_;
        bool taken_ = false;
        wait_queue::waiter waiter_;
    };

    /// It stays locked where somebody waits: nobody who comes now is let through before.
    void release() {
        if (!waiters_.wake_one())
            locked_ = false;
    }

    bool locked_ = false;
    wait_queue waiters_;
};

}  // namespace causeway::core
