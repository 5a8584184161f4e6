// SPDX-License-Identifier: Apache-2.0
#include "core/placement.h"

#include "core/test_support.h"

#include <gtest/gtest.h>
#include <vector>

namespace causeway::core {
namespace {

using namespace std::chrono_literals;

struct placement_test : ::testing::Test {
    test::manual_reactors reactors{3};

    static std::vector<unsigned> picks(placement& p, int n) {
        std::vector<unsigned> all;
        for (int i = 0; i < n; ++i)
            all.push_back(p.pick().index());
        return all;
    }
    void make_busy(std::size_t core, nanoseconds d) {
        reactors[core].execute(
            [this, d] { reactors.clock.advance_to(reactors.clock.now() + reactors.clock.to_ticks(d)); });
        reactors[core].turn();
    }
};

TEST_F(placement_test, round_robin_takes_each_in_turn_whatever_was_released) {
    placement p(reactors.group, placement_policy::round_robin);
    EXPECT_EQ(picks(p, 4), (std::vector{0u, 1u, 2u, 0u}));
    p.release(reactors[1]);
    EXPECT_EQ(picks(p, 3), (std::vector{1u, 2u, 0u}));
    EXPECT_EQ(p.count_on(0), 3u);
    EXPECT_EQ(p.count_on(1), 1u);
}

TEST_F(placement_test, first_takes_the_first_always) {
    placement p(reactors.group, placement_policy::first);
    EXPECT_EQ(picks(p, 3), (std::vector{0u, 0u, 0u}));
    EXPECT_EQ(p.count_on(0), 3u);
}

TEST_F(placement_test, least_loaded_fills_gaps) {
    placement p(reactors.group, placement_policy::least_loaded);
    EXPECT_EQ(picks(p, 5), (std::vector{0u, 1u, 2u, 0u, 1u}));
    p.release(reactors[1]);
    p.release(reactors[1]);
    EXPECT_EQ(picks(p, 3), (std::vector{1u, 1u, 2u}));
}

TEST_F(placement_test, least_loaded_prefers_the_less_busy_among_equals) {
    placement p(reactors.group, placement_policy::least_loaded);
    make_busy(0, 10us);
    make_busy(2, 10us);
    EXPECT_EQ(picks(p, 1), (std::vector{1u}));
}

TEST(placement, policies_have_names) {
    for (const auto p : {placement_policy::round_robin, placement_policy::least_loaded, placement_policy::first})
        EXPECT_EQ(placement_policy_from(to_string(p)), p);
    EXPECT_EQ(placement_policy_from("least_loaded"), placement_policy::least_loaded);
    EXPECT_EQ(placement_policy_from("best"), std::nullopt);
    EXPECT_EQ(placement_policy_from(""), std::nullopt);
}

}  // namespace
}  // namespace causeway::core
