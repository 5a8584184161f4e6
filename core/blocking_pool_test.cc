// SPDX-License-Identifier: Apache-2.0
#include "core/blocking_pool.h"

#include "core/testing/core_fixture.h"

#include <atomic>
#include <gtest/gtest.h>
#include <latch>
#include <memory>
#include <sched.h>
#include <thread>

namespace causeway::core {
namespace {

using test::eventually;

TEST(blocking_pool, blocked_work_does_not_delay_other_work) {
    std::latch release(1);
    std::atomic<int> done{0};
    blocking_pool pool;
    for (int i = 0; i < 5; ++i)
        pool.submit([&] { release.wait(); });
    for (int i = 0; i < 20; ++i)
        pool.submit([&] { ++done; });
    EXPECT_TRUE(eventually([&] { return done == 20; }));
    release.count_down();
}

TEST(blocking_pool, has_no_more_threads_than_allowed_and_runs_all_work) {
    std::atomic<int> running{0}, most{0}, done{0};
    std::latch all_three(3);
    blocking_pool pool({}, 3);
    for (int i = 0; i < 100; ++i) {
        pool.submit([&, i] {
            const int now = ++running;
            if (i < 3)
                all_three.arrive_and_wait();
            for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
            }
            std::this_thread::sleep_for(std::chrono::microseconds(200));
            --running;
            ++done;
        });
    }
    EXPECT_TRUE(eventually([&] { return done == 100; }));
    EXPECT_EQ(most, 3);
}

TEST(blocking_pool, waits_for_running_work_and_drops_work_that_has_not_begun) {
    std::latch release(1);
    std::atomic<bool> begun{false}, ended{false}, stopped{false}, dropped_ran{false};
    const auto held = std::make_shared<int>(1);
    blocking_pool pool({}, 1);
    pool.submit([&] {
        begun = true;
        release.wait();
        ended = true;
    });
    ASSERT_TRUE(eventually([&] { return begun.load(); }));
    pool.submit([&, held] { dropped_ran = true; });
    std::thread stopper([&] {
        pool.stop();
        EXPECT_TRUE(ended);
        stopped = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_FALSE(stopped);
    release.count_down();
    stopper.join();
    pool.submit([&] { dropped_ran = true; });
    EXPECT_FALSE(dropped_ran);
    EXPECT_EQ(held.use_count(), 1);
}

TEST(blocking_pool, its_threads_leave_the_cpu_of_the_pinned_thread_that_made_it) {
    cpu_set_t before, pinned;
    ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
    if (CPU_COUNT(&before) < 2)
        GTEST_SKIP() << "one CPU only";
    unsigned first = 0;
    while (!CPU_ISSET(first, &before))
        ++first;
    CPU_ZERO(&pinned);
    CPU_SET(first, &pinned);
    ASSERT_EQ(::sched_setaffinity(0, sizeof pinned, &pinned), 0);
    const auto cpus_seen = [](blocking_pool& pool) {
        std::atomic<int> count{0};
        pool.submit([&] {
            cpu_set_t mine;
            ::sched_getaffinity(0, sizeof mine, &mine);
            count = CPU_COUNT(&mine);
        });
        EXPECT_TRUE(eventually([&] { return count != 0; }));
        return count.load();
    };
    blocking_pool anywhere;
    blocking_pool confined({first});
    EXPECT_GE(cpus_seen(anywhere), CPU_COUNT(&before));
    EXPECT_EQ(cpus_seen(confined), 1);
    ::sched_setaffinity(0, sizeof before, &before);
}

TEST(blocking_pool, takes_work_from_many_threads) {
    std::atomic<int> done{0};
    blocking_pool pool({}, 4);
    std::vector<std::thread> submitters;
    for (int t = 0; t < 4; ++t) {
        submitters.emplace_back([&] {
            for (int i = 0; i < 1000; ++i)
                pool.submit([&] { ++done; });
        });
    }
    for (auto& t : submitters)
        t.join();
    EXPECT_TRUE(eventually([&] { return done == 4000; }));
}

}  // namespace
}  // namespace causeway::core
