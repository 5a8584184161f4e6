// SPDX-License-Identifier: Apache-2.0
#include "core/buffer_pool.h"

#include "core/random.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <set>
#include <utility>
#include <vector>

namespace causeway::core {
namespace {

constexpr buffer_pool::size_class two_sizes[] = {{4096, 8}, {16384, 2}};

/// Takes a buffer, or waits for one; records the order.
struct client : buffer_claim {
    client(std::vector<int>& order, int name, buffer_holders on_behalf_of, buffer_user kept_by = buffer_user::ns)
        : order_(order), name_(name), holders(on_behalf_of), user_(kept_by) {
        ready = [](buffer_claim& c) noexcept { static_cast<client&>(c).served(); };
    }
    bool take_or_wait(buffer_pool& pool, std::uint32_t bytes) {
        pool_ = &pool;
        if (pool.take(*this, bytes, holders, at_hand)) {
            pool.transfer_to(*this, user_);
            return true;
        }
        pool.wait(*this);
        return false;
    }
    void served() {
        order_.push_back(name_);
        pool_->transfer_to(*this, user_);
        if (then)
            then();
    }
    std::function<void()> then;

  private:
    std::vector<int>& order_;
    int name_;

  public:
    buffer_holders holders;
    accounts_at_hand at_hand;

  private:
    buffer_user user_;
    buffer_pool* pool_ = nullptr;
};

struct buffer_pool_test : testing::Test {
    /// A client that holds a buffer that its disk uses.
    client& taken(std::uint32_t bytes, buffer_holders h) {
        client& c = clients.emplace_back(order, 0, h);
        EXPECT_TRUE(c.take_or_wait(pool, bytes));
        return c;
    }
    client& waiting(int name, std::uint32_t bytes, buffer_holders h) {
        client& c = clients.emplace_back(order, name, h);
        EXPECT_FALSE(c.take_or_wait(pool, bytes));
        return c;
    }
    /// Gives each small buffer to a namespace and a host of its own, numbered from 100.
    std::vector<client*> exhaust() {
        std::vector<client*> all;
        for (std::uint64_t i = 100; pool.free_buffers(4096); ++i)
            all.push_back(&taken(4096, {i, i}));
        return all;
    }

    buffer_pool pool = std::move(buffer_pool::create(two_sizes).value());
    std::vector<int> order;
    std::deque<client> clients;
};

TEST_F(buffer_pool_test, buffers_are_distinct_aligned_and_inside_the_region) {
    std::set<std::byte*> seen;
    std::uint64_t who = 0;
    for (std::uint32_t bytes : {4096u, 1u, 16384u}) {
        ++who;
        std::byte* b = taken(bytes, {who, who}).data;
        EXPECT_TRUE(seen.insert(b).second);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b) % 4096, 0u);
        EXPECT_GE(b, pool.memory().data());
        EXPECT_LE(b + std::max(bytes, 4096u), pool.memory().data() + pool.memory().size());
    }
    EXPECT_EQ(pool.largest(), 16384u);
}

TEST_F(buffer_pool_test, an_exhausted_size_gives_nothing_and_takes_from_no_other) {
    const auto all = exhaust();
    client one(order, 1, {1, 1}), large(order, 2, {1, 1});
    EXPECT_FALSE(pool.take(one, 4096, one.holders, one.at_hand));
    EXPECT_TRUE(pool.take(large, 4097, large.holders, large.at_hand));
    pool.release(*all[0]);
    EXPECT_TRUE(pool.take(one, 4096, one.holders, one.at_hand));
}

TEST_F(buffer_pool_test, a_namespace_alone_has_three_eighths_of_a_size) {
    std::vector<client*> had;
    for (std::uint64_t host = 10; host < 13; ++host)
        had.push_back(&taken(512, {1, host}));
    client fourth(order, 4, {1, 1});
    EXPECT_FALSE(pool.take(fourth, 512, fourth.holders, fourth.at_hand));
    had.push_back(&taken(512, {50, 50}));  // and others have theirs
    for (client* c : had)
        pool.release(*c);
    EXPECT_TRUE(pool.take(fourth, 512, fourth.holders, fourth.at_hand));
}

TEST_F(buffer_pool_test, a_host_has_a_smaller_share_and_buffers_in_use_by_disks_do_not_count) {
    constexpr buffer_pool::size_class size[] = {{512, 64}};
    buffer_pool larger = std::move(buffer_pool::create(size).value());
    std::deque<client> all;
    std::size_t taken = 0;
    while (all.emplace_back(order, 0, buffer_holders{taken + 1, 1}, buffer_user::host_and_ns).take_or_wait(larger, 512))
        ++taken;
    EXPECT_EQ(taken, 10u);
    larger.cancel(all.back());
    for (std::size_t i = 0; i < taken; ++i)
        larger.transfer_to(all[i], buffer_user::ns);
    EXPECT_TRUE(all.back().take_or_wait(larger, 512));
}

TEST_F(buffer_pool_test, claims_of_one_account_are_served_in_order) {
    const auto all = exhaust();
    client& one = waiting(1, 4096, {1, 1});
    client& two = waiting(2, 4096, {1, 1});
    EXPECT_EQ(pool.waits(), 2u);
    for (std::size_t i = 0; i < 5; ++i) {
        pool.release(*all[i]);
        EXPECT_EQ(order, (std::vector{1})) << "for a second one, five must be free";
    }
    pool.release(*all[5]);
    EXPECT_EQ(order, (std::vector{1, 2}));
    EXPECT_NE(one.data, nullptr);
    EXPECT_NE(two.data, one.data);
}

TEST_F(buffer_pool_test, the_account_that_holds_the_fewest_comes_first) {
    client& a = taken(4096, {1, 1});
    taken(4096, {1, 1});
    taken(4096, {2, 2});
    const auto others = exhaust();
    waiting(11, 4096, {1, 1});
    waiting(12, 4096, {2, 2});
    client& none = waiting(13, 4096, {3, 3});
    pool.release(*others[0]);
    EXPECT_EQ(order, (std::vector{13}));
    for (std::size_t i = 1; i < 5; ++i)
        pool.release(*others[i]);
    EXPECT_EQ(order, (std::vector{13}));
    pool.release(none);
    EXPECT_EQ(order, (std::vector{13, 12}));
    pool.release(a);
    EXPECT_EQ(order, (std::vector{13, 12, 11}));
}

TEST_F(buffer_pool_test, accounts_that_hold_the_same_take_turns) {
    const auto all = exhaust();
    for (int round = 0; round < 2; ++round)
        for (int ns = 1; ns <= 4; ++ns)
            waiting(10 * round + ns, 4096, {static_cast<std::uint64_t>(ns), static_cast<std::uint64_t>(ns)});
    for (client* c : all)
        pool.release(*c);
    EXPECT_EQ(order, (std::vector{1, 2, 3, 4}));
    for (client& c : clients)
        if (c.data)
            pool.release(c);
    EXPECT_EQ(order, (std::vector{1, 2, 3, 4, 11, 12, 13, 14}));
}

TEST_F(buffer_pool_test, a_claim_over_its_threshold_delays_no_other) {
    for (int i = 0; i < 3; ++i)
        taken(4096, {1, 1});
    for (int i = 0; i < 3; ++i)
        waiting(1, 4096, {1, 1});
    client other(order, 2, {2, 2});
    EXPECT_TRUE(other.take_or_wait(pool, 4096));
    pool.release(other);
    EXPECT_TRUE(order.empty());
    EXPECT_TRUE(other.take_or_wait(pool, 4096));
}

TEST_F(buffer_pool_test, a_host_over_its_threshold_does_not_hold_up_its_namespace) {
    std::vector<client*> deaf;
    for (std::uint64_t ns = 1; ns <= 3; ++ns)
        deaf.push_back(&taken(4096, {ns, 1}));
    for (client* c : deaf)
        pool.transfer_to(*c, buffer_user::host);
    const auto others = exhaust();
    waiting(1, 4096, {5, 1});  // of the host that holds three
    waiting(2, 4096, {5, 2});  // the same namespace, another host
    pool.release(*others[0]);
    EXPECT_EQ(order, (std::vector{2}));
    for (std::size_t i = 1; i < 5; ++i)
        pool.release(*others[i]);
    EXPECT_EQ(order, (std::vector{2}));
    for (client* c : deaf)
        pool.release(*c);
    EXPECT_EQ(order, (std::vector{2, 1}));
}

TEST_F(buffer_pool_test, a_host_that_may_take_none_does_not_stand_before_a_namespace_that_holds_more) {
    client& deaf = taken(4096, {1, 1});
    pool.transfer_to(deaf, buffer_user::host);
    taken(4096, {2, 2});
    taken(4096, {2, 2});
    const auto others = exhaust();
    for (client* c : {others[0], others[1], others[2], others[3]})
        pool.release(*c);
    waiting(1, 4096, {3, 1});  // its host has one, and would need nine free ones for another
    waiting(2, 4096, {2, 2});  // its namespace has two
    client& last = *others[4];
    pool.release(last);
    EXPECT_TRUE(order.empty());
    pool.release(clients[1]);
    EXPECT_EQ(order, (std::vector{2}));
}

TEST_F(buffer_pool_test, a_buffer_that_the_disk_has_finished_with_counts_for_the_host) {
    client& a = taken(4096, {1, 1});
    client& b = taken(4096, {1, 1});
    client& c = taken(4096, {1, 1});
    client& other = waiting(1, 4096, {1, 2});
    pool.transfer_to(a, buffer_user::host);
    EXPECT_TRUE(order.empty());
    pool.transfer_to(b, buffer_user::host);
    EXPECT_EQ(order, (std::vector{1}));
    EXPECT_NE(other.data, nullptr);
    client late(order, 2, {2, 1});
    EXPECT_FALSE(pool.take(late, 4096, late.holders, late.at_hand)) << "the host still has two";
    for (client* each : {&a, &b, &c})
        pool.release(*each);
    EXPECT_TRUE(pool.take(late, 4096, late.holders, late.at_hand));
}

TEST_F(buffer_pool_test, no_claim_overtakes_those_that_are_being_served) {
    const auto all = exhaust();
    client& one = waiting(1, 4096, {1, 1});
    client& two = waiting(2, 4096, {2, 2});
    client late(order, 3, {3, 3});
    one.then = [&] {
        pool.release(one);  // the second one's, though it has not got it yet
        EXPECT_FALSE(late.take_or_wait(pool, 4096));
    };
    pool.release(*all[0]);
    EXPECT_NE(two.data, nullptr);
    EXPECT_EQ(order, (std::vector{1, 2}));
    pool.cancel(late);
}

TEST_F(buffer_pool_test, a_claim_can_be_cancelled_at_every_position_of_its_queue) {
    for (int cancelled = 0; cancelled < 3; ++cancelled) {
        order.clear();
        const auto all = exhaust();
        std::vector<client*> line;
        for (int i = 0; i < 3; ++i)
            line.push_back(&waiting(i, 4096, {1, 1}));
        pool.cancel(*line[static_cast<std::size_t>(cancelled)]);
        pool.cancel(*line[static_cast<std::size_t>(cancelled)]);  // does not wait: nothing happens
        line.push_back(&waiting(3, 4096, {1, 1}));
        for (client* c : all)
            pool.release(*c);
        for (client* c : line)
            if (c->data)
                pool.release(*c);
        std::vector<int> expected{0, 1, 2, 3};
        expected.erase(expected.begin() + cancelled);
        EXPECT_EQ(order, expected) << cancelled;
        for (client* c : line)
            if (c->data)
                pool.release(*c);
        ASSERT_EQ(pool.free_buffers(4096), 8u);
    }
}

TEST_F(buffer_pool_test, a_long_queue_of_claims_that_release_at_once_needs_no_stack) {
    client& a = taken(16384, {1, 1});
    client& b = taken(16384, {2, 2});
    for (int i = 0; i < 200'000; ++i) {
        client& c = waiting(i, 16384, {3, 3});
        c.then = [&] { pool.release(c); };
    }
    pool.release(a);
    EXPECT_EQ(order.size(), 200'000u);
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
    pool.release(b);
    EXPECT_EQ(pool.free_buffers(16384), 2u);
}

TEST_F(buffer_pool_test, unused_accounts_are_removed_and_those_in_use_are_kept) {
    for (int i = 0; i < 3; ++i)
        taken(4096, {1, 1});
    waiting(1, 4096, {1, 7});
    for (std::uint64_t i = 100; i < 10'000; ++i) {
        client c(order, 0, {i, i});
        ASSERT_TRUE(pool.take(c, 4096, c.holders, c.at_hand));
        pool.release(c);
    }
    client again(order, 2, {1, 8});
    EXPECT_FALSE(pool.take(again, 4096, again.holders, again.at_hand)) << "namespace 1 still holds three of eight";
    pool.release(clients[0]);
    EXPECT_EQ(order, (std::vector{1}));
}

TEST_F(buffer_pool_test, accounts_at_hand_stay_with_what_they_have) {
    client& a = taken(4096, {1, 1});
    pool.release(a);
    for (std::uint64_t i = 100; i < 10'000; ++i) {
        client c(order, 0, {i, i});
        ASSERT_TRUE(c.take_or_wait(pool, 4096));
        pool.release(c);
    }
    EXPECT_TRUE(a.take_or_wait(pool, 4096)) << "by the account that it has at hand";
    taken(4096, {1, 2});
    taken(4096, {1, 3});
    waiting(1, 4096, {1, 4});  // by the same account, which has been looked up
    pool.release(a);
    EXPECT_EQ(order, (std::vector{1}));
}

TEST_F(buffer_pool_test, a_connection_that_goes_from_one_namespace_to_another_counts_for_each) {
    accounts_at_hand connection;
    std::vector<buffer_claim> claims(7);
    std::vector<bool> had;
    for (std::uint64_t i = 0; i < claims.size(); ++i)
        had.push_back(pool.take(claims[i], 4096, {1 + i % 2, 1, buffer_user::ns}, connection));
    EXPECT_EQ(had, (std::vector{true, true, true, true, false, false, false}));
    for (std::uint64_t i = 0; i < 4; ++i)
        pool.release(claims[i]);
    EXPECT_EQ(pool.free_buffers(4096), 8u);
}

TEST_F(buffer_pool_test, moves_with_its_memory) {
    client& a = taken(4096, {1, 1});
    std::byte* const data = a.data;
    buffer_pool other = std::move(pool);
    other.release(a);
    EXPECT_TRUE(other.take(a, 4096, a.holders, a.at_hand));
    EXPECT_EQ(a.data, data);
    EXPECT_EQ(other.memory().size(), 8u * 4096 + 2u * 16384);
    clients.clear();  // their accounts are the other pool's
}

TEST(buffer_pool, while_many_buffers_are_free_no_claim_is_refused) {
    for (std::uint64_t buffers = 1; buffers <= 4096; ++buffers)
        for (std::uint64_t left = buffer_pool::ample(buffers) + 1; left <= buffers; ++left) {
            const std::uint64_t held = buffers - left + 1;  // by one account, with this one
            ASSERT_LE(4 * held * buffers, (left - 1) * (left - 1)) << left << " of " << buffers;
        }
}

TEST(buffer_pool, refuses_senseless_sizes) {
    constexpr buffer_pool::size_class descending[] = {{8192, 1}, {4096, 1}};
    constexpr buffer_pool::size_class none_of_it[] = {{4096, 0}};
    constexpr buffer_pool::size_class too_many[] = {{1, 1}, {2, 1}, {3, 1}, {4, 1}, {5, 1}};
    EXPECT_EQ(buffer_pool::create({}).error().code, EINVAL);
    EXPECT_EQ(buffer_pool::create(descending).error().code, EINVAL);
    EXPECT_EQ(buffer_pool::create(none_of_it).error().code, EINVAL);
    EXPECT_EQ(buffer_pool::create(too_many).error().code, EINVAL);
}

enum class stuck_is { a_namespace, a_host };
enum class they_come { together, one_after_the_other };

/// `stuck` namespaces, each used by several hosts, or hosts that use several namespaces, take what they can get and
/// never give it back. One that is well always wants more than it gets.
void stuck_beside_a_healthy_one(unsigned stuck, stuck_is what, they_come how, std::uint64_t seed) {
    SCOPED_TRACE(testing::Message() << stuck << (what == stuck_is::a_host ? " hosts" : " namespaces")
                                    << (how == they_come::together ? "" : " in turn") << ", seed " << seed);
    random_source random(seed);
    constexpr std::uint32_t buffers = 128;
    constexpr unsigned turns = 4000;
    constexpr buffer_pool::size_class size[] = {{64, buffers}};
    buffer_pool pool = std::move(buffer_pool::create(size).value());
    std::vector<int> order;
    std::deque<client> bad, good;
    for (std::uint32_t i = 0; i < buffers; ++i)
        good.emplace_back(order, 1, buffer_holders{999, 999});

    for (unsigned turn = 0; turn < turns; ++turn) {
        if (random.chance(1, 2)) {
            const std::uint64_t who =
                1 + (how == they_come::together ? random.below(stuck) : std::uint64_t{turn} * stuck / turns);
            const std::uint64_t others = 100 + random.below(20);
            auto& b = what == stuck_is::a_host
                          ? bad.emplace_back(order, 0, buffer_holders{others, who}, buffer_user::host_and_ns)
                          : bad.emplace_back(order, 0, buffer_holders{who, others});
            b.take_or_wait(pool, 64);
        }
        client& mine = good[random.below(buffers)];
        if (mine.data)
            pool.release(mine);
        else if (!mine.waits_in)
            mine.take_or_wait(pool, 64);
    }
    for (client& c : good)
        if (!c.data && !c.waits_in)
            c.take_or_wait(pool, 64);
    const auto held =
        static_cast<std::uint32_t>(std::count_if(good.begin(), good.end(), [](const client& c) { return c.data; }));
    const auto left = static_cast<std::uint32_t>(pool.free_buffers(64));
    EXPECT_GE(held + left, buffers / (stuck + 1));
    EXPECT_GE(held, 1u);
    EXPECT_GT((held + 1) * buffers, (left - 1) * (left - 1)) << "it has what it may have";

    for (auto* all : {&bad, &good})
        for (client& c : *all)
            pool.cancel(c);
    for (auto* all : {&bad, &good})
        for (client& c : *all)
            if (c.data)
                pool.release(c);
    EXPECT_EQ(pool.free_buffers(64), buffers);
}

TEST(buffer_pool, a_healthy_account_keeps_its_share_however_many_are_stuck) {
    for (unsigned stuck = 1; stuck <= 8; ++stuck)
        for (std::uint64_t seed = 1; seed <= 4; ++seed)
            for (const auto what : {stuck_is::a_namespace, stuck_is::a_host})
                for (const auto how : {they_come::together, they_come::one_after_the_other})
                    stuck_beside_a_healthy_one(stuck, what, how, seed);
}

}  // namespace
}  // namespace causeway::core
