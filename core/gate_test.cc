// SPDX-License-Identifier: Apache-2.0
#include "core/gate.h"

#include "core/testing/wait_fixture.h"

#include <memory>
#include <utility>

namespace causeway::core {
namespace {

using namespace std::chrono_literals;
using test::owned_task;
using gate_test = test::wait_fixture;

TEST_F(gate_test, close_ends_when_the_last_holder_has_left) {
    gate g;
    auto a = g.hold(), b = g.hold();
    EXPECT_EQ(g.holders(), 2u);
    close(g, 'x');
    EXPECT_TRUE(g.is_closed()) << "from the call on";
    EXPECT_FALSE(g.hold()) << "a closed gate lets nothing in";
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

TEST_F(gate_test, an_empty_gate_closes_at_once) {
    gate g;
    { const auto through = g.hold(); }
    { const auto through = g.hold(); }
    EXPECT_FALSE(g.is_closed());
    close(g, 'x');
    EXPECT_EQ(log, "x");
}

TEST_F(gate_test, a_holder_counts_once_however_often_it_moves) {
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

TEST_F(gate_test, a_gate_stays_closed_if_it_does_not_empty_within_the_limit) {
    gate g;
    const auto close_for = [](gate& g, nanoseconds limit, std::string& log) -> owned_task {
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

/// The usual end of an object: its last operation leaves the gate, and the task that waited destroys both.
TEST_F(gate_test, the_task_that_closes_a_gate_may_destroy_it_after_the_last_holder_has_ended) {
    auto g = std::make_unique<gate>();
    event go_on;
    const auto operation = [](gate& g, event& e, std::string& log) -> owned_task {
        const auto inside = g.hold();
        co_await e.wait();
        log += "left ";
    };
    const auto end = [](std::unique_ptr<gate>& g, std::string& log) -> owned_task {
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

TEST_F(gate_test, a_task_may_be_destroyed_while_it_closes_a_gate_or_holds_it) {
    gate g;
    event never;
    const auto operation = [](gate& g, event& e) -> owned_task {
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

}  // namespace
}  // namespace causeway::core
