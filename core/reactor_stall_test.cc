// SPDX-License-Identifier: Apache-2.0
#include "core/reactor.h"

#include "core/reactor_group.h"
#include "core/testing/core_fixture.h"
#include "core/thread_runner.h"

#include <gtest/gtest.h>

namespace causeway::core {
namespace {

using namespace std::chrono_literals;

/// Its clock is the reactor's alone while it runs.
TEST(reactor_stall, is_counted_once_and_at_once_even_in_the_middle_of_a_turn) {
    virtual_clock clock;
    test::inline_executor blocking;
    reactor_group group({0}, clock, blocking, {.busy_poll_window = 0ns, .stall_limit = 2s});
    reactor& r = group[0];
    thread_runner runner(group);
    const auto stalls_after = [&](nanoseconds d) {
        return thread_runner::call(r, [&] {
            clock.advance_to(clock.now() + clock.to_ticks(d));
            return r.stalls();
        });
    };
    EXPECT_EQ(stalls_after(2s), 0u);
    EXPECT_EQ(stalls_after(2s + 1ns), 1u);
    EXPECT_EQ(stalls_after(0s), 1u);
    EXPECT_EQ(stalls_after(1h), 2u);
}

TEST(reactor_stall, is_counted_without_a_query) {
    virtual_clock clock;
    test::inline_executor blocking;
    reactor_group group({0}, clock, blocking, {.busy_poll_window = 0ns, .stall_limit = 2s});
    thread_runner runner(group);
    thread_runner::call(group[0], [&] { clock.advance_to(clock.now() + clock.to_ticks(3s)); });
    EXPECT_EQ(thread_runner::call(group[0], [&] { return group[0].stalls(); }), 1u);
}

}  // namespace
}  // namespace causeway::core
