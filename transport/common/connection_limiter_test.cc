// SPDX-License-Identifier: Apache-2.0
#include "transport/common/connection_limiter.h"

#include "core/testing/core_fixture.h"

#include <gtest/gtest.h>
#include <vector>

namespace causeway::common {
namespace {

struct limiter_of_connections : testing::Test {
    /// Somebody comes, and is watched on a core. What is evicted is noted down by its number.
    std::unique_ptr<connection_permit> come(std::uint64_t from, std::size_t core = 0) {
        auto admitted = limiter.admit(from);
        EXPECT_EQ(limiter.pending() <= 8, true);
        admitted.permit->watch(cores[core], [this, n = come_++] { evicted.push_back(n); });
        return std::move(admitted.permit);
    }
    std::vector<int>& told() {
        for (const auto& r : cores.group)
            while (r->turn()) {
            }
        return evicted;
    }

    core::test::manual_reactors cores{2};
    connection_limiter limiter{{.total = 40, .pending = 8, .pending_per_address = 4}};
    std::vector<int> evicted;
    int come_ = 0;
};

TEST_F(limiter_of_connections, the_oldest_stranger_of_an_address_makes_room_for_the_next) {
    std::vector<std::unique_ptr<connection_permit>> all;
    all.push_back(come(9));
    for (int i = 0; i < 6; ++i)
        all.push_back(come(1, i % 2));
    EXPECT_EQ(told(), (std::vector{1, 2}));
    EXPECT_EQ(limiter.pending(), 5u);
    EXPECT_EQ(limiter.connections(), 7u) << "each has its socket until it is closed";
}

TEST_F(limiter_of_connections, many_addresses_are_a_crowd_as_well) {
    std::vector<std::unique_ptr<connection_permit>> all;
    for (int i = 0; i < 10; ++i)
        all.push_back(come(static_cast<std::uint64_t>(i)));
    EXPECT_EQ(told(), (std::vector{0, 1}));
}

TEST_F(limiter_of_connections, whoever_has_connected_stays) {
    std::vector<std::unique_ptr<connection_permit>> all;
    for (int i = 0; i < 12; ++i) {
        all.push_back(come(1));
        all.back()->admitted();
    }
    for (int i = 0; i < 4; ++i)
        all.push_back(come(1));
    EXPECT_TRUE(told().empty());
    EXPECT_EQ(limiter.pending(), 4u);
}

TEST_F(limiter_of_connections, is_full_of_connected_hosts_only) {
    std::vector<std::unique_ptr<connection_permit>> all;
    while (!limiter.full()) {
        all.push_back(come(1));
        all.back()->admitted();
    }
    EXPECT_EQ(all.size(), 40u);
    all.resize(35);  // the places that are left are for newcomers, one after the other
    EXPECT_TRUE(told().empty());
    all.push_back(come(1));
    all.push_back(come(1));
    EXPECT_EQ(told(), (std::vector{40}));
    EXPECT_FALSE(limiter.full());
    all.clear();
    EXPECT_EQ(limiter.connections(), 0u);
    EXPECT_EQ(limiter.pending(), 0u);
}

TEST_F(limiter_of_connections, whoever_has_most_pending_makes_room_for_others_and_not_for_itself) {
    EXPECT_FALSE(limiter.evict_for(1)) << "there is nobody";
    std::vector<std::unique_ptr<connection_permit>> all;
    for (const std::uint64_t from : {1u, 2u, 2u, 2u})
        all.push_back(come(from));
    EXPECT_FALSE(limiter.evict_for(2));
    EXPECT_TRUE(limiter.evict_for(1));
    EXPECT_TRUE(limiter.evict_for(1));
    EXPECT_FALSE(limiter.evict_for(1)) << "the other has no more than it";
    EXPECT_EQ(told(), (std::vector{1, 2}));
    all.back()->admitted();
    EXPECT_TRUE(limiter.evict_for(3));
    EXPECT_FALSE(limiter.evict_for(3)) << "who has connected stays";
    EXPECT_EQ(told(), (std::vector{1, 2, 0}));
    all.push_back(come(4));
    all.push_back(come(5));
    EXPECT_TRUE(limiter.evict_for(3));
    EXPECT_EQ(told(), (std::vector{1, 2, 0, 4})) << "a host that has just come has time for its Connect";
}

TEST_F(limiter_of_connections, one_that_is_on_its_way_to_another_core_is_told_there) {
    auto moving = come(1);
    moving->unwatch();
    std::vector<std::unique_ptr<connection_permit>> all;
    for (int i = 0; i < 4; ++i)
        all.push_back(come(1));
    EXPECT_TRUE(told().empty());
    moving->watch(cores[1], [this] { evicted.push_back(100); });
    EXPECT_EQ(told(), (std::vector{100}));
}

TEST_F(limiter_of_connections, one_that_goes_by_itself_is_not_told) {
    auto first = come(1);
    std::vector<std::unique_ptr<connection_permit>> all;
    for (int i = 0; i < 4; ++i)
        all.push_back(come(1));
    first.reset();
    EXPECT_TRUE(told().empty());
}

TEST_F(limiter_of_connections, says_that_it_is_full_once_a_minute) {
    unsigned said = 0;
    for (int second = 0; second < 150; ++second) {
        for (int core = 0; core < 2; ++core)
            said += limiter.should_log_full(cores[static_cast<std::size_t>(core)]);
        cores.turn_after(std::chrono::seconds(1));
        cores[1].turn();
    }
    EXPECT_EQ(said, 3u);
}

}  // namespace
}  // namespace causeway::common
