// SPDX-License-Identifier: Apache-2.0
#include "core/event.h"

#include "core/testing/wait_fixture.h"

#include <memory>

namespace causeway::core {
namespace {

using namespace std::chrono_literals;
using test::owned_task;
using event_test = test::wait_fixture;

TEST_F(event_test, set_wakes_all_tasks_in_the_order_in_which_they_came) {
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

TEST_F(event_test, no_task_continues_within_the_call_that_wakes_it) {
    event e;
    wait(e, 'a');
    on_reactor([&] {
        e.set();
        log += "returned ";
    });
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "returned a");
}

TEST_F(event_test, a_task_that_was_woken_continues_although_the_event_is_reset) {
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

TEST_F(event_test, a_limit_ends_its_own_wait_only) {
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

TEST_F(event_test, a_limit_of_zero_does_not_wait) {
    event e;
    wait_for(e, 0ms);
    wait_for(e, -1ms);
    on_reactor([&] { e.set(); });
    wait_for(e, 0ms);
    EXPECT_EQ(log, "late late set ");
}

TEST_F(event_test, an_event_set_at_the_last_moment_is_set_and_not_late) {
    event e;
    wait_for(e, 5ms);
    on_reactor([&] { e.set(); });
    reactors.turn_after(5ms);
    EXPECT_EQ(log, "set ");
}

TEST_F(event_test, a_task_may_be_destroyed_while_it_waits) {
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

TEST_F(event_test, a_task_destroyed_after_it_was_woken_does_not_continue) {
    event e;
    wait(e, 'a');
    wait(e, 'b');
    reactors[0].execute([&] {
        // Destroyed by the call that wakes it.
        e.set();
        tasks.pop_back();
    });
    reactors.turn_after(0ms);
    reactors.turn_after(0ms);
    EXPECT_EQ(log, "a");
    EXPECT_EQ(reactors[0].timer_count(), 0u);
}

TEST_F(event_test, a_task_may_destroy_the_event_while_others_wait) {
    auto e = std::make_unique<event>();
    const auto destroy = [](std::unique_ptr<event>& e, std::string& log) -> owned_task {
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

TEST_F(event_test, a_task_may_wait_again_when_it_continues) {
    event e;
    const auto twice = [](event& e, std::string& log) -> owned_task {
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

}  // namespace
}  // namespace causeway::core
