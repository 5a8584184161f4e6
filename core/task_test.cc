// SPDX-License-Identifier: Apache-2.0
#include "core/task.h"

#include "core/blocking_pool.h"
#include "core/result.h"
#include "core/simulation.h"
#include "core/testing/core_fixture.h"
#include "core/thread_runner.h"

#include <atomic>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace causeway::core {
namespace {

using namespace std::chrono_literals;

struct task_test : ::testing::Test {
    simulation s{1, 3};

    /// Starts `t` on the first reactor and runs until all is idle.
    template <class T>
    std::optional<T> value_of(task<T> t) {
        std::optional<T> value;
        auto shared = std::make_shared<task<T>>(std::move(t));
        s[0].execute([&, shared] { detach(std::move(*shared), [&](T v) { value = std::move(v); }); });
        EXPECT_TRUE(s.run_until_idle());
        return value;
    }
    bool finishes(task<> t) {
        bool done = false;
        auto shared = std::make_shared<task<>>(std::move(t));
        s[0].execute([&, shared] { detach(std::move(*shared), [&] { done = true; }); });
        EXPECT_TRUE(s.run_until_idle());
        return done;
    }
};

task<> slices(std::string& log, char name, unsigned cost) {
    for (int i = 0; i < 3; ++i) {
        co_await in_background(i ? cost : 0);
        log += name;
    }
}

TEST(background, tasks_take_their_slices_in_turn_and_a_turn_of_the_reactor_takes_few) {
    test::manual_reactors reactors(1, {.background_budget = 10});
    std::string log;
    reactors[0].execute([&] {
        detach(slices(log, 'a', 9));
        detach(slices(log, 'b', 0));
    });
    std::vector<std::string> turns;
    while (reactors[0].turn())
        turns.push_back(std::exchange(log, {}));
    EXPECT_EQ(turns, (std::vector<std::string>{"a", "ba", "bab"})) << "a's slices are dear";
}

task<int> seven() {
    co_return 7;
}

task<int> sum_of_two() {
    const int a = co_await seven();
    co_return a + co_await seven();
}

task<result<std::string>> fails_in_the_middle(bool fails, int& undone) {
    struct undo {
        int& undone;
        ~undo() { ++undone; }
    } const guard{undone};
    if (fails)
        co_return fail(ENOENT, "no such image", "rbd/vm-17");
    co_await yield();
    co_return std::string("opened");
}

TEST_F(task_test, returns_values_through_layers) {
    EXPECT_EQ(value_of(sum_of_two()), 14);
}

TEST_F(task_test, errors_travel_as_results_and_destructors_run) {
    int undone = 0;
    const auto failed = value_of(fails_in_the_middle(true, undone));
    ASSERT_TRUE(failed && !*failed);
    EXPECT_EQ(failed->error().code, ENOENT);
    EXPECT_EQ(failed->error().text(), "rbd/vm-17: no such image");
    EXPECT_EQ(undone, 1);
    const auto opened = value_of(fails_in_the_middle(false, undone));
    ASSERT_TRUE(opened && *opened);
    EXPECT_EQ(**opened, "opened");
    EXPECT_EQ(undone, 2);
}

TEST_F(task_test, carries_values_that_can_only_be_moved) {
    const auto make = []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(5); };
    const auto use = [&]() -> task<int> {
        const auto p = co_await make();
        co_return *p;
    };
    EXPECT_EQ(value_of(use()), 5);
}

TEST_F(task_test, does_not_begin_before_it_is_awaited) {
    bool begun = false;
    {
        const auto t = [](bool& begun) -> task<> {
            begun = true;
            co_return;
        }(begun);
    }
    EXPECT_FALSE(begun);
}

TEST_F(task_test, hops_between_reactors) {
    const auto travel = [this]() -> task<std::vector<unsigned>> {
        std::vector<unsigned> seen;
        for (const unsigned to : {0u, 2u, 2u, 1u, 0u}) {
            co_await switch_to(s[to]);
            seen.push_back(reactor::current()->index());
        }
        co_return seen;
    };
    EXPECT_EQ(value_of(travel()), (std::vector{0u, 2u, 2u, 1u, 0u}));
}

TEST_F(task_test, resumes_its_awaiter_where_it_ended) {
    const auto child = [this]() -> task<> { co_await switch_to(s[2]); };
    const auto parent = [&]() -> task<unsigned> {
        co_await child();
        co_return reactor::current()->index();
    };
    EXPECT_EQ(value_of(parent()), 2u);
}

TEST_F(task_test, for_each_reactor_visits_all_and_comes_home) {
    const auto visit = [this]() -> task<std::vector<unsigned>> {
        std::vector<unsigned> seen;
        co_await switch_to(s[1]);
        co_await for_each_reactor(s.group(), [&](reactor& r) {
            EXPECT_EQ(&r, reactor::current());
            seen.push_back(r.index());
        });
        seen.push_back(reactor::current()->index());
        co_return seen;
    };
    EXPECT_EQ(value_of(visit()), (std::vector{0u, 1u, 2u, 1u}));
}

TEST_F(task_test, yield_lets_others_run) {
    std::string order;
    const auto patient = [&]() -> task<> {
        order += 'a';
        s[0].execute([&] { order += 'b'; });
        co_await yield();
        order += 'c';
    };
    EXPECT_TRUE(finishes(patient()));
    EXPECT_EQ(order, "abc");
}

/// A loop over a container from which its tasks erase; the tasks have nothing to wait for.
TEST_F(task_test, a_deferred_task_begins_when_its_caller_has_returned) {
    std::vector<int> all{1, 2, 3};
    const auto erase = [&](int n) -> task<> {
        std::erase(all, n);
        co_return;
    };
    std::vector<int> seen;
    s[0].execute([&] {
        for (const int n : all) {
            seen.push_back(n);
            detach_deferred(erase(n));
        }
        EXPECT_EQ(all.size(), 3u);
    });
    EXPECT_TRUE(s.run_until_idle());
    EXPECT_EQ(seen, (std::vector{1, 2, 3}));
    EXPECT_TRUE(all.empty());
}

TEST_F(task_test, sleeps_no_shorter_than_asked) {
    const auto nap = [this]() -> task<ticks> {
        const ticks begin = s.time().now();
        co_await sleep_for(5ms);
        co_await sleep_for(0ms);
        co_await sleep_for(-5ms);
        co_return s.time().now() - begin;
    };
    const auto slept = value_of(nap());
    ASSERT_TRUE(slept);
    EXPECT_GE(*slept, s.time().to_ticks(5ms));
    EXPECT_LT(*slept, s.time().to_ticks(9ms));
}

TEST_F(task_test, a_sleeping_task_may_be_destroyed) {
    bool woken = false;
    test::manual_reactors reactors;
    std::optional<task<>> t;
    t.emplace([](bool& woken) -> task<> {
        co_await sleep_for(1ms);
        woken = true;
    }(woken));
    struct starter {
        struct promise_type {
            starter get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
            std::suspend_never initial_suspend() noexcept { return {}; }
            std::suspend_always final_suspend() noexcept { return {}; }
            void return_void() noexcept {}
            void unhandled_exception() noexcept {}
        };
        std::coroutine_handle<promise_type> handle;
    };
    std::optional<starter> started;
    reactors[0].execute([&] { started = [](task<> t) -> starter { co_await std::move(t); }(std::move(*t)); });
    reactors.turn_after(0ms);
    EXPECT_EQ(reactors[0].timer_count(), 1u);
    started->handle.destroy();
    EXPECT_EQ(reactors[0].timer_count(), 0u);
    reactors.turn_after(2ms);
    EXPECT_FALSE(woken);
}

TEST_F(task_test, run_blocking_leaves_and_returns_to_the_same_reactor) {
    const auto work = [this]() -> task<int> {
        co_await switch_to(s[2]);
        const int n = co_await run_blocking(s.group(), [] {
            EXPECT_EQ(reactor::current(), nullptr);
            return 5;
        });
        co_await run_blocking(s.group(), [] {});
        co_return n * 10 + static_cast<int>(reactor::current()->index());
    };
    EXPECT_EQ(value_of(work()), 52);
}

TEST_F(task_test, one_shot_gives_its_value_set_before_or_after) {
    for (const bool before : {true, false}) {
        one_shot<int> value;
        std::optional<int> got;
        if (before)
            value.set(3);
        s[1].execute([&] {
            detach([](one_shot<int>& v) -> task<int> { co_return co_await v; }(value), [&](int n) { got = n; });
        });
        EXPECT_TRUE(s.run_until_idle());
        EXPECT_EQ(got.has_value(), before);
        if (!before)
            value.set(3);
        EXPECT_TRUE(s.run_until_idle());
        EXPECT_EQ(got, 3);
    }
}

TEST_F(task_test, one_shot_set_between_the_look_and_the_wait_is_not_lost) {
    one_shot<int> value;
    auto waiting = value.operator co_await();
    EXPECT_FALSE(waiting.await_ready());
    value.set(3);
    EXPECT_FALSE(waiting.await_suspend(std::noop_coroutine())) << "it must go on at once";
    EXPECT_EQ(waiting.await_resume(), 3);
}

// On threads.

struct task_threads : ::testing::Test {
    tsc_clock clock;
    blocking_pool pool;
    reactor_group group{{0, 0}, clock, pool, {.busy_poll_window = 0ns}};
    thread_runner runner{group};

    ~task_threads() override { pool.stop(); }
};

/// The one_shot lives in the frame that goes as soon as the value is taken: what set() does after that would
/// be found by the sanitizers.
TEST_F(task_threads, one_shot_may_be_destroyed_while_set_returns) {
    constexpr int rounds = 3'000;
    std::atomic<int> done{0};
    std::thread setter;
    std::atomic<one_shot<int>*> to_set{nullptr};
    setter = std::thread([&] {
        for (int i = 0; i < rounds; ++i) {
            one_shot<int>* v;
            while (!(v = to_set.exchange(nullptr)))
                std::this_thread::yield();
            v->set(i);
        }
    });
    const auto receive = [](std::atomic<one_shot<int>*>& to_set, int i) -> task<int> {
        auto value = std::make_unique<one_shot<int>>();
        to_set = value.get();
        for (int pause = i % 300; pause > 0; --pause)  // so that either side comes first
            __builtin_ia32_pause();
        co_return co_await *value;
    };
    const auto receive_all = [&]() -> task<> {
        for (int i = 0; i < rounds; ++i) {
            EXPECT_EQ(co_await receive(to_set, i), i);
            ++done;
        }
    };
    group[0].execute([&] { detach(receive_all()); });
    EXPECT_TRUE(test::eventually([&] { return done == rounds; }));
    setter.join();
}

TEST_F(task_threads, run_blocking_and_hops_in_real_threads) {
    constexpr int rounds = 500;
    std::atomic<int> done{0};
    const auto work = [&](unsigned home) -> task<> {
        for (int i = 0; i < rounds; ++i) {
            const int n = co_await run_blocking(group, [i] { return i; });
            EXPECT_EQ(n, i);
            EXPECT_EQ(reactor::current()->index(), home);
            co_await switch_to(group[1 - home]);
            co_await yield();
            co_await switch_to(group[home]);
        }
        ++done;
    };
    for (const unsigned home : {0u, 1u, 0u})
        group[home].execute([&, home] { detach(work(home)); });
    EXPECT_TRUE(test::eventually([&] { return done == 3; }));
}

}  // namespace
}  // namespace causeway::core
