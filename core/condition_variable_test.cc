// SPDX-License-Identifier: Apache-2.0
#include "core/condition_variable.h"

#include "core/testing/wait_fixture.h"

#include <memory>

namespace causeway::core {
namespace {

using namespace std::chrono_literals;
using condition_variable_test = test::wait_fixture;

TEST_F(condition_variable_test, a_condition_is_evaluated_after_each_notification_and_not_otherwise) {
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

/// Another task may have changed the state when it continued.
TEST_F(condition_variable_test, a_task_waits_again_if_its_condition_no_longer_holds) {
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

TEST_F(condition_variable_test, a_limit_counts_from_the_beginning_however_often_the_state_changes) {
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

TEST_F(condition_variable_test, a_task_may_destroy_the_condition_variable_when_it_continues) {
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

}  // namespace
}  // namespace causeway::core
