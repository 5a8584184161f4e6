// SPDX-License-Identifier: Apache-2.0
#include "core/placement.h"

#include "core/testing/core_fixture.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <optional>
#include <type_traits>
#include <vector>

namespace causeway::core {
namespace {

using namespace std::chrono_literals;
using enum lease_kind;

static_assert(!std::is_copy_constructible_v<core_lease>);

struct placement_test : ::testing::Test {
    test::manual_reactors reactors{3};
    std::optional<placement> made;
    std::vector<core_lease> leases;  ///< in the order in which they were made

    placement& with(placement_policy policy) { return made.emplace(reactors.group, policy); }
    /// The cores of `n` more leases.
    std::vector<unsigned> cores(placement& p, lease_kind kind, int n) {
        std::vector<unsigned> all;
        for (int i = 0; i < n; ++i) {
            leases.push_back(p.lease(kind));
            all.push_back(leases.back().home().index());
        }
        return all;
    }
    /// Ends the first lease of that core.
    void end_one_on(unsigned core) {
        const auto on_core = [core](const core_lease& l) { return l.home().index() == core; };
        leases.erase(std::find_if(leases.begin(), leases.end(), on_core));
    }
    void make_busy(std::size_t core, nanoseconds d) {
        reactors[core].execute(
            [this, d] { reactors.clock.advance_to(reactors.clock.now() + reactors.clock.to_ticks(d)); });
        reactors[core].turn();
    }
    static std::vector<unsigned> counts(const placement& p, lease_kind kind) {
        return {p.count_on(0, kind), p.count_on(1, kind), p.count_on(2, kind)};
    }
};

// ---- Disks.

TEST_F(placement_test, round_robin_takes_each_in_turn_whatever_was_released) {
    placement& p = with(placement_policy::round_robin);
    EXPECT_EQ(cores(p, disk, 4), (std::vector{0u, 1u, 2u, 0u}));
    end_one_on(1);
    EXPECT_EQ(cores(p, disk, 3), (std::vector{1u, 2u, 0u}));
    EXPECT_EQ(counts(p, disk), (std::vector{3u, 1u, 2u}));
    EXPECT_EQ(p.count(disk), 6u);
    leases.clear();
    EXPECT_EQ(p.count(disk), 0u);
}

TEST_F(placement_test, first_takes_the_first_always) {
    placement& p = with(placement_policy::first);
    EXPECT_EQ(cores(p, disk, 3), (std::vector{0u, 0u, 0u}));
    EXPECT_EQ(p.count_on(0, disk), 3u);
}

TEST_F(placement_test, least_loaded_fills_gaps) {
    placement& p = with(placement_policy::least_loaded);
    EXPECT_EQ(cores(p, disk, 5), (std::vector{0u, 1u, 2u, 0u, 1u}));
    end_one_on(1);
    end_one_on(1);
    EXPECT_EQ(cores(p, disk, 3), (std::vector{1u, 1u, 2u}));
}

TEST_F(placement_test, least_loaded_prefers_the_less_busy_among_equals) {
    placement& p = with(placement_policy::least_loaded);
    make_busy(0, 10us);
    make_busy(2, 10us);
    EXPECT_EQ(cores(p, disk, 1), (std::vector{1u}));
}

// ---- Queue pairs.

TEST_F(placement_test, admin_queues_are_placed_in_turn_and_io_queues_where_the_fewest_queues_are) {
    placement& p = with(placement_policy::round_robin);
    EXPECT_EQ(cores(p, admin_queue, 2), (std::vector{0u, 1u}));
    EXPECT_EQ(cores(p, io_queue, 4), (std::vector{2u, 0u, 1u, 2u}));
    end_one_on(1);
    end_one_on(1);
    EXPECT_EQ(cores(p, io_queue, 1), (std::vector{1u}));
    EXPECT_EQ(cores(p, admin_queue, 1), (std::vector{2u}));
    EXPECT_EQ(counts(p, admin_queue), (std::vector{1u, 0u, 1u}));
    EXPECT_EQ(counts(p, io_queue), (std::vector{1u, 1u, 2u}));
}

TEST_F(placement_test, disks_do_not_count_for_queues_nor_queues_for_disks) {
    placement& p = with(placement_policy::least_loaded);
    EXPECT_EQ(cores(p, disk, 1), (std::vector{0u}));
    EXPECT_EQ(cores(p, io_queue, 2), (std::vector{0u, 1u}));
    EXPECT_EQ(cores(p, disk, 1), (std::vector{1u}));
}

TEST_F(placement_test, passes_over_cores_without_room) {
    placement& p = with(placement_policy::round_robin);
    const auto only_on = [](unsigned core) { return [core](const reactor& r) { return r.index() == core; }; };
    for (const auto kind : {disk, admin_queue, io_queue}) {
        const core_lease there = p.lease(kind, only_on(1));
        EXPECT_EQ(there.home().index(), 1u);
        EXPECT_FALSE(p.lease(kind, only_on(3))) << "no core has room";
        EXPECT_EQ(counts(p, kind), (std::vector{0u, 1u, 0u}));
    }
    EXPECT_EQ(p.lease(admin_queue).home().index(), 2u) << "the turn goes on behind the core that had room";
}

// ---- A lease.

TEST_F(placement_test, counts_each_lease_once) {
    placement& p = with(placement_policy::round_robin);
    core_lease a = p.lease(io_queue);
    core_lease b = std::move(a);
    EXPECT_FALSE(a);
    EXPECT_EQ(p.count_on(0, io_queue), 1u);
    b.release();
    b.release();
    EXPECT_EQ(p.count_on(0, io_queue), 0u);
    EXPECT_EQ(&b.home(), &reactors[0]) << "what had it still ends there";
    b = p.lease(disk);
    EXPECT_EQ(p.count_on(0, disk), 1u);
    b = core_lease(reactors[2]);
    EXPECT_EQ(p.count_on(0, disk), 0u) << "another one takes its place";
    EXPECT_EQ(&b.home(), &reactors[2]);
    EXPECT_EQ(counts(p, disk), (std::vector{0u, 0u, 0u})) << "which no placement counts";
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
