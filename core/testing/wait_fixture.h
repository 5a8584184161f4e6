// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/async_mutex.h"
#include "core/event.h"
#include "core/gate.h"
#include "core/task.h"
#include "core/testing/core_fixture.h"

#include <coroutine>
#include <gtest/gtest.h>
#include <string>
#include <utility>
#include <vector>

namespace causeway::core::test {

/// A task that starts at once and is destroyed with its owner, wherever it waits.
class owned_task {
  public:
    struct promise_type {
        owned_task get_return_object() { return owned_task(std::coroutine_handle<promise_type>::from_promise(*this)); }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };
    owned_task(owned_task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    owned_task& operator=(owned_task&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~owned_task() {
        if (handle_)
            handle_.destroy();
    }

  private:
    explicit owned_task(std::coroutine_handle<promise_type> h) noexcept : handle_(h) {}
    std::coroutine_handle<promise_type> handle_;
};

/// One reactor in virtual time, whose turns the test takes, and tasks on it that wait. Each task writes to `log` when
/// it continues.
struct wait_fixture : ::testing::Test {
    manual_reactors reactors;
    std::string log;
    std::vector<owned_task> tasks;

    /// Calls `f` within a turn of the reactor.
    template <class F>
    void on_reactor(F f) {
        reactors[0].execute(f);
        reactors.turn_after(nanoseconds{0});
    }
    // Each starts a task that writes its name when it continues.
    void wait(event& e, char name) {
        on_reactor([&, name] { tasks.push_back(log_after_wait(e, name, log)); });
    }
    void wait_for(event& e, nanoseconds limit) {
        on_reactor([&, limit] { tasks.push_back(log_after_wait_for(e, limit, log)); });
    }
    void close(gate& g, char name) {
        on_reactor([&, name] { tasks.push_back(log_after_close(g, name, log)); });
    }
    /// Holds the mutex until `release` is set.
    void lock(async_mutex& m, char name, event& release) {
        on_reactor([&, name] { tasks.push_back(log_while_locked(m, name, release, log)); });
    }

    static owned_task log_after_wait(event& e, char name, std::string& log) {
        co_await e.wait();
        log += name;
    }
    static owned_task log_after_wait_for(event& e, nanoseconds limit, std::string& log) {
        const bool set = co_await e.wait_for(limit);
        log += set ? "set " : "late ";
    }
    static owned_task log_after_close(gate& g, char name, std::string& log) {
        co_await g.close();
        log += name;
    }
    static owned_task log_while_locked(async_mutex& m, char name, event& release, std::string& log) {
        auto lock = co_await m.lock();
        log += name;
        co_await release.wait();
        log += '.';
    }
};

}  // namespace causeway::core::test
