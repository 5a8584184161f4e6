// SPDX-License-Identifier: Apache-2.0
// Events, condition variables, gates and mutexes: in virtual time, one reactor whose turns the test takes.

#include "core/wait_queue.h"

#include "core/async_mutex.h"
#include "core/condition_variable.h"
#include "core/event.h"
#include "core/gate.h"
#include "core/simulation.h"
#include "core/task.h"
#include "core/test_support.h"

#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace causeway::core {
namespace {

using namespace std::chrono_literals;

/// A task that begins at once and goes with its owner, wherever it waits.
class running {
  public:
    struct promise_type {
        running get_return_object() { return running(std::coroutine_handle<promise_type>::from_promise(*this)); }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };
    running(running&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    running& operator=(running&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~running() {
        if (handle_)
            handle_.destroy();
    }

  private:
    explicit running(std::coroutine_handle<promise_type> h) noexcept : handle_(h) {}
    std::coroutine_handle<promise_type> handle_;
};

struct waiting : ::testing::Test {
    test::manual_reactors reactors;
    std::string log;
    std::vector<running> tasks;

    /// Within a turn, as all that owns a reactor is called.
    template <class F>
    void on_reactor(F f) {
        reactors[0].execute(f);
        reactors.turn_after(0ms);
    }
    /// Each starts a task that waits, and writes its name when it goes on.
    void wait(event& e, char name) {
        on_reactor([&, name] { tasks.push_back(wait_and_tell(e, name, log)); });
    }
    void wait_for(event& e, nanoseconds limit) {
        on_reactor([&, limit] { tasks.push_back(wait_for_and_tell(e, limit, log)); });
    }
    void close(gate& g, char name) {
        on_reactor([&, name] { tasks.push_back(close_and_tell(g, name, log)); });
    }
    /// Until `release`, which comes with its own reactor turn.
    void lock(async_mutex& m, char name, event& release) {
        on_reactor([&, name] { tasks.push_back(lock_and_tell(m, name, release, log)); });
    }

    static running wait_and_tell(event& e, char name, std::string& log) {
        co_await e.wait();
        log += name;
    }
    static running wait_for_and_tell(event& e, nanoseconds limit, std::string& log) {
        const bool set = co_await e.wait_for(limit);
        log += set ? "set " : "late ";
    }
    static running close_and_tell(gate& g, char name, std::string& log) {
        co_await g.close();
        log += name;
    }
    static running lock_and_tell(async_mutex& m, char name, event& release, std::string& log) {
        auto lock = co_await m.lock();
        log += name;
        co_await release.wait();
        log += '.';
    }
};

// ---- event

TEST_F(waiting, a_set_event_lets_everybody_through_in_the_order_in_which_they_came) {
    event e;
    for (const char name : {'a', 'b', 'c'})
        wait(e, name);
    reactors.turn_after(1s);
    EXPECT_EQ(log, "");
    on_reactor([&] { e.set(); });
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "abc");
    wait(e, 'd');
    EXPECT_EQ(log, "abcd") << "at once: it is set";
    on_reactor([&] { e.reset(); });
    wait(e, 'e');
    reactors.turn_after(1s);
    EXPECT_EQ(log, "abcd");
    tasks.clear();
}

TEST_F(waiting, nobody_goes_on_within_the_call_that_wakes) {
    event e;
    wait(e, 'a');
    on_reactor([&] {
        e.set();
        log += "returned ";
    });
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "returned a");
}

TEST_F(waiting, who_was_woken_goes_on_though_the_event_is_reset) {
    event e;
    wait(e, 'a');
    on_reactor([&] {
        e.set();
        e.reset();
    });
    wait(e, 'b');
    reactors.turn_after(1s);
    EXPECT_EQ(log, "a");
    tasks.clear();
}

TEST_F(waiting, a_limit_ends_the_wait_and_only_one_of_them) {
    event e;
    wait_for(e, 5ms);
    wait_for(e, 9ms);
    reactors.turn_after(4ms);
    EXPECT_EQ(log, "");
    reactors.turn_after(2ms);
    EXPECT_EQ(log, "late ");
    on_reactor([&] { e.set(); });
    reactors.turn_after(10ms);
    EXPECT_EQ(log, "late set ");
    EXPECT_EQ(reactors[0].timer_count(), 0u);
}

TEST_F(waiting, a_limit_of_nothing_only_looks) {
    event e;
    wait_for(e, 0ms);
    wait_for(e, -1ms);
    on_reactor([&] { e.set(); });
    wait_for(e, 0ms);
    EXPECT_EQ(log, "late late set ");
}

TEST_F(waiting, a_task_set_at_the_last_moment_is_set_and_not_late) {
    event e;
    wait_for(e, 5ms);
    on_reactor([&] { e.set(); });
    reactors.turn_after(5ms);
    EXPECT_EQ(log, "set ");
}

TEST_F(waiting, a_task_destroyed_while_it_waits_is_forgotten) {
    event e;
    wait(e, 'a');
    wait(e, 'b');
    wait_for(e, 5ms);
    tasks.erase(tasks.begin());
    tasks.pop_back();
    on_reactor([&] { e.set(); });
    reactors.turn_after(9ms);
    EXPECT_EQ(log, "b");
    EXPECT_EQ(reactors[0].timer_count(), 0u);
}

TEST_F(waiting, a_task_destroyed_after_it_was_woken_does_not_go_on) {
    event e;
    wait(e, 'a');
    wait(e, 'b');
    reactors[0].execute([&] {
        // By the first to go on, and by the call that wakes.
        e.set();
        tasks.pop_back();
    });
    reactors.turn_after(0ms);
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "a");
    EXPECT_EQ(reactors[0].timer_count(), 0u);
}

TEST_F(waiting, who_goes_on_may_destroy_the_event_under_the_others) {
    auto e = std::make_unique<event>();
    const auto destroy = [](std::unique_ptr<event>& e, std::string& log) -> running {
        co_await e->wait();
        e.reset();
        log += "gone ";
    };
    on_reactor([&] { tasks.push_back(destroy(e, log)); });
    wait(*e, 'b');
    wait_for(*e, 1s);
    on_reactor([&] { e->set(); });
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "gone bset ");
}

TEST_F(waiting, who_goes_on_may_wait_again) {
    event e;
    const auto twice = [](event& e, std::string& log) -> running {
        for (int i = 0; i < 2; ++i) {
            co_await e.wait();
            e.reset();
            log += 'x';
        }
    };
    on_reactor([&] { tasks.push_back(twice(e, log)); });
    on_reactor([&] { e.set(); });
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "x");
    on_reactor([&] { e.set(); });
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "xx");
}

// ---- condition_variable

TEST_F(waiting, a_condition_is_looked_at_when_it_may_have_changed_and_not_otherwise) {
    condition_variable changed;
    int value = 0, looks = 0;
    const auto wait_for_three = [&]() -> task<> {
        co_await changed.wait([&] {
            ++looks;
            return value == 3;
        });
        log += "three ";
    };
    on_reactor([&] { detach(wait_for_three()); });
    reactors.turn_after(1s);
    EXPECT_EQ(looks, 1);
    for (int v = 1; v <= 3; ++v) {
        on_reactor([&] {
            value = v;
            changed.notify_all();
        });
        EXPECT_EQ(looks, 1 + v);
    }
    EXPECT_EQ(log, "three ");
    on_reactor([&] { detach(wait_for_three()); });
    EXPECT_EQ(log, "three three ") << "at once: it holds";
}

/// It may be gone by the time: what another task did when it went on.
TEST_F(waiting, a_condition_that_does_not_hold_any_more_is_waited_for_again) {
    condition_variable changed;
    bool free = false;
    int inside = 0;
    const auto take = [&]() -> task<> {
        co_await changed.wait([&] { return free; });
        free = false;
        ++inside;
    };
    on_reactor([&] {
        detach(take());
        detach(take());
    });
    for (int n = 1; n <= 2; ++n) {
        on_reactor([&] {
            free = true;
            changed.notify_all();
        });
        reactors.turn_after(1s);
        EXPECT_EQ(inside, n);
    }
}

TEST_F(waiting, a_limit_counts_from_the_beginning_however_often_the_state_changes) {
    condition_variable changed;
    bool ready = false;
    const auto wait_5_ms = [&]() -> task<> {
        const bool holds = co_await changed.wait_for(5ms, [&] { return ready; });
        log += holds ? "ready " : "late ";
    };
    on_reactor([&] { detach(wait_5_ms()); });
    for (int i = 0; i < 4; ++i) {
        reactors.turn_after(1ms);
        on_reactor([&] { changed.notify_all(); });
    }
    EXPECT_EQ(log, "");
    reactors.turn_after(1ms);
    EXPECT_EQ(log, "late ");
    on_reactor([&] { detach(wait_5_ms()); });
    on_reactor([&] {
        ready = true;
        changed.notify_all();
    });
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "late ready ");
    EXPECT_EQ(reactors[0].timer_count(), 0u);
}

TEST_F(waiting, who_goes_on_may_destroy_the_condition_variable) {
    auto changed = std::make_unique<condition_variable>();
    bool over = false;
    const auto end = [&]() -> task<> {
        co_await changed->wait([&] { return over; });
        changed.reset();
    };
    on_reactor([&] { detach(end()); });
    on_reactor([&] {
        over = true;
        changed->notify_all();
    });
    reactors.turn_after(0ms);
    EXPECT_FALSE(changed);
}

// ---- gate

TEST_F(waiting, a_gate_is_closed_when_the_last_one_has_left) {
    gate g;
    auto a = g.hold(), b = g.hold();
    EXPECT_EQ(g.holders(), 2u);
    close(g, 'x');
    EXPECT_TRUE(g.is_closed()) << "from the call on";
    EXPECT_FALSE(g.hold()) << "nobody comes in any more";
    close(g, 'y');
    on_reactor([&] { a.release(); });
    reactors.turn_after(1s);
    EXPECT_EQ(log, "");
    on_reactor([&] { b = {}; });
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "xy");
    close(g, 'z');
    EXPECT_EQ(log, "xyz") << "at once";
}

TEST_F(waiting, an_empty_gate_closes_at_once_and_a_gate_that_is_open_wakes_nobody) {
    gate g;
    { const auto through = g.hold(); }
    { const auto through = g.hold(); }
    EXPECT_FALSE(g.is_closed());
    close(g, 'x');
    EXPECT_EQ(log, "x");
}

TEST_F(waiting, a_holder_counts_once_however_often_it_moves) {
    gate g;
    auto a = g.hold();
    auto b = std::move(a);
    EXPECT_FALSE(a);
    EXPECT_EQ(g.holders(), 1u);
    a = std::move(b);
    b.release();
    EXPECT_EQ(g.holders(), 1u);
    a.release();
    a.release();
    EXPECT_EQ(g.holders(), 0u);
}

TEST_F(waiting, a_gate_that_does_not_empty_in_time_says_so_and_stays_closed) {
    gate g;
    const auto close_for = [](gate& g, nanoseconds limit, std::string& log) -> running {
        const bool empty = co_await g.close_for(limit);
        log += empty ? "empty " : "late ";
    };
    auto a = g.hold();
    for (const auto limit : {0ms, 5ms, 50ms})
        on_reactor([&, limit] { tasks.push_back(close_for(g, limit, log)); });
    EXPECT_EQ(log, "late ");
    reactors.turn_after(6ms);
    EXPECT_EQ(log, "late late ");
    EXPECT_FALSE(g.hold());
    on_reactor([&] { a.release(); });
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "late late empty ");
    on_reactor([&] { tasks.push_back(close_for(g, 0ms, log)); });
    EXPECT_EQ(log, "late late empty empty ");
}

/// The usual end of an object: its last operation leaves the gate, and what waited destroys both.
TEST_F(waiting, who_closes_a_gate_may_destroy_it_and_the_last_holders_frame_ends_before) {
    auto g = std::make_unique<gate>();
    event go_on;
    const auto operation = [](gate& g, event& e, std::string& log) -> running {
        const auto inside = g.hold();
        co_await e.wait();
        log += "left ";
    };
    const auto end = [](std::unique_ptr<gate>& g, std::string& log) -> running {
        co_await g->close();
        g.reset();
        log += "gone ";
    };
    on_reactor([&] { tasks.push_back(operation(*g, go_on, log)); });
    on_reactor([&] { tasks.push_back(end(g, log)); });
    on_reactor([&] { go_on.set(); });
    reactors.turn_after(0ms);
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "left gone ");
    EXPECT_FALSE(g);
}

TEST_F(waiting, a_task_destroyed_while_it_closes_a_gate_is_forgotten_and_one_inside_leaves) {
    gate g;
    event never;
    const auto operation = [](gate& g, event& e) -> running {
        const auto inside = g.hold();
        co_await e.wait();
    };
    on_reactor([&] { tasks.push_back(operation(g, never)); });
    close(g, 'x');
    close(g, 'y');
    tasks.erase(tasks.begin() + 1);
    on_reactor([&] { tasks.erase(tasks.begin()); });
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "y");
}

// ---- async_mutex

TEST_F(waiting, a_mutex_lets_through_one_at_a_time_in_the_order_in_which_they_came) {
    async_mutex m;
    event release[3];
    for (int i = 0; i < 3; ++i)
        lock(m, static_cast<char>('a' + i), release[i]);
    EXPECT_EQ(log, "a");
    on_reactor([&] { release[1].set(); });  // of one that waits: no matter
    reactors.turn_after(1s);
    EXPECT_EQ(log, "a");
    on_reactor([&] { release[0].set(); });
    for (int i = 0; i < 3; ++i)
        reactors.turn_after(0ms);
    EXPECT_EQ(log, "a.b.c");
    on_reactor([&] { release[2].set(); });
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "a.b.c.");
    EXPECT_FALSE(m.is_locked());
}

TEST_F(waiting, a_free_mutex_is_taken_at_once_and_released_before_its_scope_ends_if_need_be) {
    async_mutex m;
    const auto early = [](async_mutex& m, std::string& log) -> running {
        auto lock = co_await m.lock();
        log += m.is_locked() ? "held " : "?";
        lock.unlock();
        log += m.is_locked() ? "?" : "free ";
        auto again = co_await m.lock();
        lock.unlock();  // nothing
        log += m.is_locked() ? "held " : "?";
    };
    on_reactor([&] { tasks.push_back(early(m, log)); });
    EXPECT_EQ(log, "held free held ");
    EXPECT_FALSE(m.is_locked());
}

/// Between its release and the moment when the next one goes on.
TEST_F(waiting, nobody_overtakes_who_was_handed_the_mutex) {
    async_mutex m;
    event release[3];
    lock(m, 'a', release[0]);
    lock(m, 'b', release[1]);
    on_reactor([&] { tasks.erase(tasks.begin()); });  // releases it
    reactors[0].execute([&] { tasks.push_back(lock_and_tell(m, 'c', release[2], log)); });
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "ab");
    for (auto& r : release)
        on_reactor([&] { r.set(); });
    reactors.turn_after(0ms);
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "ab.c.");
}

TEST_F(waiting, a_task_destroyed_while_it_waits_for_a_mutex_is_skipped) {
    async_mutex m;
    event release[3];
    for (int i = 0; i < 3; ++i)
        lock(m, static_cast<char>('a' + i), release[i]);
    on_reactor([&] {
        tasks.erase(tasks.begin() + 1);
        release[0].set();
    });
    reactors.turn_after(0ms);
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "a.c");
    tasks.clear();
    EXPECT_FALSE(m.is_locked());
}

TEST_F(waiting, a_task_destroyed_after_it_was_handed_a_mutex_hands_it_on) {
    async_mutex m;
    event release[3];
    for (int i = 0; i < 3; ++i)
        lock(m, static_cast<char>('a' + i), release[i]);
    reactors[0].execute([&] {
        tasks.erase(tasks.begin());  // a's frame: to b
        tasks.erase(tasks.begin());  // b's frame: to c
    });
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "ac");
    tasks.clear();
    EXPECT_FALSE(m.is_locked());
}

TEST_F(waiting, the_last_holder_may_destroy_the_mutex) {
    auto m = std::make_unique<async_mutex>();
    event release;
    lock(*m, 'a', release);
    const auto destroy = [](std::unique_ptr<async_mutex>& m, std::string& log) -> running {
        { auto lock = co_await m->lock(); }
        m.reset();
        log += "gone";
    };
    on_reactor([&] { tasks.push_back(destroy(m, log)); });
    on_reactor([&] { release.set(); });
    reactors.turn_after(0ms);
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "a.gone");
}

/// Tasks of drawn length, in a drawn order: never two inside, and all of them in the end.
TEST(async_mutex_by_seed, holds_while_its_holder_visits_other_reactors) {
    for (const std::uint64_t seed : {1, 2, 3, 4, 5}) {
        simulation s(seed, 3);
        async_mutex m;
        gate all;
        int inside = 0, done = 0;
        const auto work = [&]() -> task<> {
            const auto under_way = all.hold();
            co_await sleep_for(nanoseconds(s.random().below(50'000)));
            auto lock = co_await m.lock();
            EXPECT_EQ(++inside, 1);
            co_await switch_to(s[s.random().below(3)]);
            co_await yield();
            co_await switch_to(s[0]);
            --inside;
            ++done;
        };
        bool closed = false;
        const auto end = [&]() -> task<> {
            co_await all.close();
            EXPECT_EQ(done, 40);
            closed = true;
        };
        s[0].execute([&] {
            for (int i = 0; i < 40; ++i)
                detach(work());
            detach(end());
        });
        EXPECT_TRUE(s.run_until_idle());
        EXPECT_TRUE(closed) << "seed " << seed;
    }
}

}  // namespace
}  // namespace causeway::core
