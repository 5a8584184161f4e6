// SPDX-License-Identifier: Apache-2.0
#include "core/bulkhead.h"

#include "core/blocking_pool.h"
#include "core/testing/core_fixture.h"

#include <atomic>
#include <gtest/gtest.h>
#include <latch>
#include <optional>

namespace causeway::core {
namespace {

using test::eventually;

TEST(bulkhead, calls_of_one_party_that_never_return_leave_threads_to_the_others) {
    std::latch release(1);
    std::atomic<int> hung{0}, mine{0}, others{0};
    blocking_pool pool({}, 8);
    bulkhead bad(pool, 4), good(pool, 4);
    for (int i = 0; i < 128; ++i) {
        bad.submit([&] {
            ++hung;
            release.wait();
            ++mine;
        });
    }
    EXPECT_TRUE(eventually([&] { return hung == 4; }));
    EXPECT_EQ(bad.running(), 4u);
    EXPECT_EQ(bad.waiting(), 124u);
    for (int i = 0; i < 20; ++i) {
        good.submit([&] { ++others; });
        pool.submit([&] { ++others; });
    }
    EXPECT_TRUE(eventually([&] { return others == 40; }));
    EXPECT_EQ(hung, 4);
    release.count_down();
    EXPECT_TRUE(eventually([&] { return mine == 128; }));
    EXPECT_TRUE(eventually([&] { return bad.running() == 0; }));
}

TEST(bulkhead, submitted_work_runs_after_the_bulkhead_was_destroyed) {
    std::latch release(1);
    std::atomic<bool> begun{false}, ended{false};
    blocking_pool pool;
    std::optional<bulkhead> share(std::in_place, pool, 1);
    share->submit([&] {
        begun = true;
        release.wait();
    });
    share->submit([&] { ended = true; });
    ASSERT_TRUE(eventually([&] { return begun.load(); }));
    share.reset();
    release.count_down();
    EXPECT_TRUE(eventually([&] { return ended.load(); }));
}

TEST(bulkhead, work_may_submit_more_work_to_an_inline_executor) {
    test::inline_executor here;
    bulkhead share(here, 1);
    int ran = 0;
    share.submit([&] { share.submit([&] { ++ran; }); });
    EXPECT_EQ(ran, 1);
    EXPECT_EQ(share.running(), 0u);
}

}  // namespace
}  // namespace causeway::core
