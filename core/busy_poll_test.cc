// SPDX-License-Identifier: Apache-2.0
#include "core/busy_poll.h"

#include <gtest/gtest.h>

namespace causeway::core {
namespace {

constexpr ticks window = 50'000;

void repeat(busy_poll& p, ticks gap, int times) {
    for (int i = 0; i < times; ++i)
        p.worked_after(gap);
}

TEST(busy_poll, a_fresh_core_polls) {
    EXPECT_EQ(busy_poll(window).limit(), window);
}

TEST(busy_poll, polls_while_work_comes_within_the_window) {
    busy_poll p(window);
    repeat(p, 40'000, 100);
    EXPECT_EQ(p.limit(), window);
}

TEST(busy_poll, sleeps_early_if_polling_finds_nothing) {
    busy_poll p(window);
    repeat(p, 80'000, 100);
    EXPECT_EQ(p.limit(), window / 16);
}

TEST(busy_poll, one_pause_changes_nothing) {
    busy_poll p(window);
    repeat(p, 2'000, 100);
    p.worked_after(1'000'000'000);
    EXPECT_EQ(p.limit(), window);
}

TEST(busy_poll, polls_again_soon_after_an_idle_night) {
    busy_poll p(window);
    repeat(p, 1'000'000'000, 100);
    ASSERT_LT(p.limit(), window);
    repeat(p, 5'000, 12);
    EXPECT_EQ(p.limit(), window);
}

TEST(busy_poll, does_not_poll_without_a_window) {
    busy_poll p(0);
    repeat(p, 1, 10);
    EXPECT_EQ(p.limit(), 0u);
}

}  // namespace
}  // namespace causeway::core
