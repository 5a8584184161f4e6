// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/rate_limiter.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <vector>

namespace causeway::nvmf {
namespace {

constexpr core::ticks second = 1'000'000'000, ms = 1'000'000;  // of the virtual clock
constexpr core::ticks begin = second;

/// Cores that start as much as they may, one command after the other, every microsecond.
struct busy_cores {
    explicit busy_cores(bdev::rate_limits l, std::size_t cores = 4) : limiter(clock, cores), credit(cores) {
        limiter.set(l, begin);
    }
    /// Commands that were started in each millisecond.
    std::vector<std::uint64_t> run(const io_cost& each, unsigned milliseconds, core::ticks from = begin) {
        std::vector<std::uint64_t> started(milliseconds);
        for (unsigned i = 0; i < milliseconds; ++i)
            for (core::ticks now = from + i * ms; now < from + (i + 1) * ms; now += 1000)
                for (core_credit& c : credit)
                    while (c.take(each) || (limiter.draw(c, each, now) && c.take(each)))
                        ++started[i];
        return started;
    }

    core::virtual_clock clock;
    rate_limiter limiter;
    std::vector<core_credit> credit;
};

std::uint64_t sum(const std::vector<std::uint64_t>& v, std::size_t from, std::size_t n) {
    std::uint64_t s = 0;
    for (std::size_t i = from; i < from + n; ++i)
        s += v[i];
    return s;
}

struct row {
    const char* what;
    bdev::rate_limits limits;
    io_cost each;
    double per_second;
};

const row rows[] = {
    {"I/Os", {.rw_ios_per_sec = 100'000}, {1, 4096, io_direction::read}, 100'000},
    {"few I/Os", {.rw_ios_per_sec = 1000}, {1, 4096, io_direction::write}, 1000},
    {"an odd number", {.rw_ios_per_sec = 77'777}, {1, 512, io_direction::write}, 77'777},
    {"a million", {.rw_ios_per_sec = 1'000'000}, {1, 512, io_direction::read}, 1'000'000},
    {"bytes both ways", {.rw_mbytes_per_sec = 100}, {1, 4096, io_direction::read}, 25'600},
    {"bytes read", {.r_mbytes_per_sec = 1000}, {1, 131072, io_direction::read}, 8000},
    {"bytes written", {.w_mbytes_per_sec = 1000}, {1, 131072, io_direction::write}, 8000},
    {"commands larger than a window's credit", {.rw_mbytes_per_sec = 64}, {1, 1 << 20, io_direction::read}, 64},
    {"the stricter of two", {.rw_ios_per_sec = 10'000, .rw_mbytes_per_sec = 10}, {1, 4096, io_direction::read}, 2560},
};

TEST(rate_limiter, keeps_a_rate_over_a_second_and_over_ten_milliseconds) {
    for (const row& r : rows) {
        busy_cores cores(r.limits);
        const auto started = cores.run(r.each, 1000);
        EXPECT_NEAR(sum(started, 0, 1000), r.per_second, std::max(1.5, r.per_second * 0.002)) << r.what;
        for (std::size_t i = 0; i + 10 <= started.size(); ++i)
            EXPECT_NEAR(sum(started, i, 10), r.per_second / 100, std::max(1.5, r.per_second / 1000)) << r.what;
    }
}

TEST(rate_limiter, takes_any_number) {
    constexpr std::uint64_t most = ~std::uint64_t{0};
    busy_cores cores({most, most, most, most}, 1);
    core_credit& c = cores.credit[0];
    const io_cost one{1, 1 << 20, io_direction::read};
    for (int i = 0; i < 1000; ++i)
        EXPECT_TRUE(c.take(one) || (cores.limiter.draw(c, one, begin + i * ms) && c.take(one)));
}

TEST(rate_limiter, does_not_limit_the_other_direction) {
    busy_cores cores({.w_mbytes_per_sec = 1}, 1);
    core_credit& c = cores.credit[0];
    const io_cost write{1, 1 << 20, io_direction::write}, read{1, 1 << 20, io_direction::read};
    EXPECT_TRUE(cores.limiter.draw(c, write, begin) && c.take(write));
    EXPECT_FALSE(cores.limiter.draw(c, write, begin));
    for (int i = 0; i < 1000; ++i)
        EXPECT_TRUE(c.take(read) || (cores.limiter.draw(c, read, begin) && c.take(read)));
}

TEST(rate_limiter, has_a_bounded_burst_after_a_pause) {
    busy_cores cores({.rw_ios_per_sec = 100'000});
    const io_cost one{1, 4096, io_direction::read};
    cores.run(one, 10);
    const auto after = cores.run(one, 10, begin + 60 * second);
    // 100 in a millisecond, and what 0.5 ms of burst and 0.5 ms of slices add.
    EXPECT_LE(sum(after, 0, 1), 100u + 50 + 50 + 1);
    EXPECT_LE(sum(after, 0, 10), 1000u + 50 + 50 + 1);
}

TEST(rate_limiter, keeps_what_cores_that_wake_late_could_have_started) {
    const core::virtual_clock clock;
    const auto started_at_once = [&](core::nanoseconds late_wake_ups) {
        rate_limiter limiter(clock, 1, late_wake_ups);
        limiter.set({.rw_ios_per_sec = 100'000}, begin);
        const io_cost one{1, 4096, io_direction::read};
        core_credit c;
        unsigned n = 0;
        while (c.take(one) || (limiter.draw(c, one, begin + second) && c.take(one)))
            ++n;
        return n;
    };
    EXPECT_NEAR(started_at_once(core::nanoseconds(0)), 50, 1);
    EXPECT_NEAR(started_at_once(core::nanoseconds(ms)), 150, 1);
}

TEST(rate_limiter, keeps_no_credit_on_idle_cores_that_others_miss) {
    busy_cores cores({.rw_ios_per_sec = 100'000}, 8);
    const io_cost one{1, 4096, io_direction::read};
    for (core_credit& c : cores.credit)  // each takes one of its slice, and never comes again
        EXPECT_TRUE(cores.limiter.draw(c, one, begin + ms) && c.take(one));
    cores.credit.resize(1);
    EXPECT_GE(sum(cores.run(one, 1000, begin + ms), 0, 1000), 100'000u - 50 - 8);
}

TEST(rate_limiter, bounds_what_all_cores_hold_in_advance) {
    busy_cores cores({.rw_ios_per_sec = 100'000}, 8);
    const io_cost one{1, 4096, io_direction::read};
    core::ticks now = begin;
    for (core_credit& c : cores.credit) {  // each finds all of the burst
        now += 10 * ms;
        EXPECT_TRUE(cores.limiter.draw(c, one, now) && c.take(one));
    }
    now += 10 * ms;
    std::uint64_t at_once = 0;
    for (core_credit& c : cores.credit)
        while (c.take(one) || (cores.limiter.draw(c, one, now) && c.take(one)))
            ++at_once;
    EXPECT_LE(at_once, 50u + 50 + 1);
}

TEST(rate_limiter, gives_no_credit_away_while_others_wait_for_it) {
    busy_cores cores({.rw_ios_per_sec = 1000}, 1);
    const io_cost one{1, 0, io_direction::write};
    cores.limiter.set_contended(io_direction::write, true);
    EXPECT_FALSE(cores.limiter.draw(cores.credit[0], one, begin + second));
    cores.limiter.set_contended(io_direction::write, false);
    EXPECT_TRUE(cores.limiter.draw(cores.credit[0], one, begin + second));
}

TEST(rate_limiter, shortens_what_is_to_be_paid_back_when_the_limit_is_raised) {
    busy_cores cores({.rw_mbytes_per_sec = 1}, 1);
    const io_cost large{1, 10 << 20, io_direction::read};
    EXPECT_TRUE(cores.limiter.draw(cores.credit[0], large, begin) && cores.credit[0].take(large));
    EXPECT_NEAR(cores.limiter.ready_at(io_direction::read), begin + 10 * second, 2 * ms);
    cores.limiter.set({.rw_mbytes_per_sec = 100}, begin);
    EXPECT_NEAR(cores.limiter.ready_at(io_direction::read), begin + 100 * ms, ms);
    cores.limiter.set({}, begin);
    EXPECT_LE(cores.limiter.ready_at(io_direction::read), begin);
}

}  // namespace
}  // namespace causeway::nvmf
