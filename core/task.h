// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/reactor_group.h"

#include <atomic>
#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace causeway::core {

/// A control operation that reads top to bottom. Starts when awaited, resumes its awaiter when done, on
/// whatever reactor it then is. Not for the data path: a frame is an allocation.
///
/// Errors travel as core::result. An exception that leaves a task ends the process: it is a bug of ours.
template <class T = void>
class [[nodiscard]] task;

namespace detail {

template <class T>
struct task_value {
    std::optional<T> value;
    template <class U>
    void return_value(U&& v) {
        value.emplace(std::forward<U>(v));
    }
    T take() { return std::move(*value); }
};

template <>
struct task_value<void> {
    void return_void() noexcept {}
    void take() noexcept {}
};

}  // namespace detail

template <class T>
class [[nodiscard]] task {
  public:
    struct promise_type : detail::task_value<T> {
        std::coroutine_handle<> awaiter = std::noop_coroutine();

        task get_return_object() { return task(std::coroutine_handle<promise_type>::from_promise(*this)); }
        std::suspend_always initial_suspend() noexcept { return {}; }
        auto final_suspend() noexcept {
            struct resume_awaiter {
                bool await_ready() noexcept { return false; }
                std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> h) noexcept {
                    return h.promise().awaiter;
                }
                void await_resume() noexcept {}
            };
            return resume_awaiter{};
        }
        void unhandled_exception() noexcept { std::terminate(); }
    };

    task(task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    task& operator=(task&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~task() {
        if (handle_)
            handle_.destroy();
    }

    auto operator co_await() && noexcept {
        struct awaiter {
            std::coroutine_handle<promise_type> handle;
            bool await_ready() noexcept { return false; }
            std::coroutine_handle<> await_suspend(std::coroutine_handle<> h) noexcept {
                handle.promise().awaiter = h;
                return handle;
            }
            T await_resume() { return handle.promise().take(); }
        };
        return awaiter{handle_};
    }

  private:
    explicit task(std::coroutine_handle<promise_type> h) noexcept : handle_(h) {}
    std::coroutine_handle<promise_type> handle_;
};

namespace detail {

/// A coroutine that is not awaited; its frame is freed when it ends.
struct detached {
    struct promise_type {
        detached get_return_object() noexcept { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };
};

}  // namespace detail

/// Starts a task that is not awaited, on the current reactor (or, before reactors run, on the calling thread). A task
/// that finds nothing to wait for ends within this call, and all that it does is done then: see detach_deferred().
inline void detach(task<> t) {
    [](task<> t) -> detail::detached { co_await std::move(t); }(std::move(t));
}

/// Starts `t` and calls `done(value)` when it ends, or `done()` where it has none.
template <class T, class F>
void detach(task<T> t, F done) {
    [](task<T> t, F done) -> detail::detached {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(t);
            done();
        } else {
            done(co_await std::move(t));
        }
    }(std::move(t), std::move(done));
}

/// `co_await switch_to(r)`: continues on reactor `r`. At once where that is the current one.
class [[nodiscard]] switch_to : private message {
  public:
    explicit switch_to(reactor& r) noexcept : message(&resume), reactor_(r) {}

    bool await_ready() const noexcept { return reactor::current() == &reactor_; }
    void await_suspend(std::coroutine_handle<> h) noexcept {
        handle_ = h;
        reactor_.post(*this);
    }
    void await_resume() const noexcept {}

  private:
    static void resume(message& m) noexcept { static_cast<switch_to&>(m).handle_.resume(); }
    reactor& reactor_;
    std::coroutine_handle<> handle_;
};

/// `co_await yield()`: continues in the reactor's next turn.
class [[nodiscard]] yield : private message {
  public:
    yield() noexcept : message(&resume) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) noexcept {
        handle_ = h;
        reactor::current()->post(*this);
    }
    void await_resume() const noexcept {}

  private:
    static void resume(message& m) noexcept { static_cast<yield&>(m).handle_.resume(); }
    std::coroutine_handle<> handle_;
};

/// Starts a task that is not awaited on the current reactor, after the code that runs there now has returned. Use it
/// where the task would invalidate its caller: a loop over a container that the task erases from, or a member function
/// of the object that it destroys. The result is dropped.
template <class T>
void detach_deferred(task<T> t) {
    [](task<T> t) -> detail::detached {
        co_await yield();
        (void)co_await std::move(t);
    }(std::move(t));
}

/// `co_await in_background(units)`: continues on the same reactor when its budget for control work allows, after other
/// such work that waits. `units` is what has been done since the last time, in microseconds or thereabouts. Long
/// control work is cut into slices by this; what it has looked at may have changed when it goes on.
class [[nodiscard]] in_background : private background_message {
  public:
    explicit in_background(unsigned units = 0) noexcept : background_message(&resume), units_(units) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) noexcept {
        handle_ = h;
        reactor& here = *reactor::current();
        here.spend(units_);
        here.post_background(*this);
    }
    void await_resume() const noexcept {}

  private:
    static void resume(message& m) noexcept { static_cast<in_background&>(m).handle_.resume(); }
    const unsigned units_;
    std::coroutine_handle<> handle_;
};

/// `co_await background_turn(r, q)`: continues on reactor `r` when it is the turn of `q`. For control work that is not
/// the gateway's own.
class [[nodiscard]] background_turn : private background_message {
  public:
    background_turn(reactor& r, background_queue& q) noexcept : background_message(&resume), reactor_(r) { queue = &q; }
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) noexcept {
        handle_ = h;
        reactor_.post_background(*this);
    }
    void await_resume() const noexcept {}

  private:
    static void resume(message& m) noexcept { static_cast<background_turn&>(m).handle_.resume(); }
    reactor& reactor_;
    std::coroutine_handle<> handle_;
};

/// `co_await sleep_for(d)`: continues on the same reactor, no sooner than after `d`.
class [[nodiscard]] sleep_for {
  public:
    explicit sleep_for(nanoseconds d) : delay_(d) {}
    bool await_ready() const noexcept { return delay_.count() <= 0; }
    void await_suspend(std::coroutine_handle<> h) {
        timer_.emplace(*reactor::current(), [h] { h.resume(); });
        timer_->arm_after(delay_);
    }
    void await_resume() const noexcept {}

  private:
    nanoseconds delay_;
    std::optional<timer> timer_;
};

/// A value that comes once, from any thread, to one task that waits for it on a reactor.
///
/// It may live in the frame of the task that waits: set() touches it for the last time with the exchange, or, where a
/// task waits, with the push, and only these let the task continue. A task that may be destroyed while it waits holds
/// it by shared_ptr, and so does the code that sets it.
template <class T>
class one_shot : private message {
  public:
    one_shot() noexcept : message(&resume) {}

    /// Any thread, once.
    void set(T value) {
        value_.emplace(std::move(value));
        // No task waits: from here on this object may be destroyed.
        if (state_.exchange(ready, std::memory_order_acq_rel) == awaited)
            reactor_->post(*this);  // it waits, and stays until it takes this message
    }

    /// On a reactor, once. By a helper, for g++ 12 would copy an awaiter that a pointer leads to.
    auto operator co_await() noexcept {
        struct awaiter {
            one_shot& self;
            bool await_ready() const noexcept { return self.state_.load(std::memory_order_acquire) == ready; }
            bool await_suspend(std::coroutine_handle<> h) noexcept {
                self.handle_ = h;
                self.reactor_ = reactor::current();
                int expected = empty;
                return self.state_.compare_exchange_strong(expected, awaited, std::memory_order_acq_rel);
            }
            T await_resume() { return std::move(*self.value_); }
        };
        return awaiter{*this};
    }

  private:
    enum : int { empty, awaited, ready };
    static void resume(message& m) noexcept { static_cast<one_shot&>(m).handle_.resume(); }

    std::atomic<int> state_{empty};
    reactor* reactor_ = nullptr;
    std::coroutine_handle<> handle_;
    std::optional<T> value_;
};

/// `co_await run_blocking(group, f)`: runs `f` where blocking is allowed and continues on the reactor that it left.
template <class F>
auto run_blocking(reactor_group& group, F f) -> task<std::invoke_result_t<F>> {
    using R = std::invoke_result_t<F>;
    if constexpr (std::is_void_v<R>) {
        one_shot<bool> done;
        group.blocking().submit([&] {
            f();
            done.set(true);
        });
        co_await done;
    } else {
        one_shot<R> done;
        group.blocking().submit([&] { done.set(f()); });
        co_return co_await done;
    }
}

/// Runs `f(reactor&)` on every reactor, one after the other, and ends on the reactor where it was called.
template <class F>
task<> for_each_reactor(reactor_group& group, F f) {
    reactor& home = *reactor::current();
    for (const auto& r : group) {
        co_await switch_to(*r);
        f(*r);
    }
    co_await switch_to(home);
}

}  // namespace causeway::core
