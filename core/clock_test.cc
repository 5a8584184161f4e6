// SPDX-License-Identifier: Apache-2.0
#include "core/clock.h"

#include <cmath>
#include <gtest/gtest.h>
#include <thread>

namespace causeway::core {
namespace {

using namespace std::chrono_literals;

TEST(tsc_clock, runs_as_fast_as_the_systems_clock) {
    const tsc_clock c;
    double best = 0;  // of some attempts: this thread may lose its CPU between two readings
    for (int attempt = 0; attempt < 10 && std::abs(best - 1) > 0.0002; ++attempt) {
        const auto system_begin = std::chrono::steady_clock::now();
        const ticks begin = c.now();
        std::this_thread::sleep_for(50ms);
        const auto measured = c.to_nanoseconds(c.now() - begin);
        const nanoseconds expected = std::chrono::steady_clock::now() - system_begin;
        best = static_cast<double>(measured.count()) / static_cast<double>(expected.count());
    }
    EXPECT_NEAR(best, 1.0, 0.0002);
}

TEST(tsc_clock, measures_the_same_frequency_twice) {
    const double a = static_cast<double>(tsc_clock().per_second());
    const double b = static_cast<double>(tsc_clock().per_second());
    EXPECT_NEAR(a / b, 1.0, 0.0002);
}

TEST(clock, conversions_do_not_overflow) {
    const tsc_clock c;
    const auto ten_years = std::chrono::hours(24 * 3650);
    const auto back = c.to_nanoseconds(c.to_ticks(ten_years));
    EXPECT_NEAR(static_cast<double>((back - ten_years).count()), 0, 10);
    EXPECT_EQ(c.to_ticks(1s), c.per_second());
}

TEST(virtual_clock, moves_forwards_only) {
    virtual_clock c;
    c.advance_to(100);
    EXPECT_EQ(c.now(), 100u);
    c.advance_to(50);
    EXPECT_EQ(c.now(), 100u);
    EXPECT_EQ(c.to_ticks(1us), 1000u);
}

}  // namespace
}  // namespace causeway::core
