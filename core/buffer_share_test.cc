// SPDX-License-Identifier: Apache-2.0
#include "core/buffer_share.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <gtest/gtest.h>
#include <utility>
#include <vector>

namespace causeway::core {
namespace {

/// A command of a connection: takes a buffer or waits for one.
struct command : buffer_share::claim {
    explicit command(std::uint64_t of_ns) : holders{of_ns, 1} {
        granted = [](claim& c) noexcept {
            auto& self = static_cast<command&>(c);
            ++self.times_granted;
            if (self.then)
                self.then();
        };
    }
    bool take_or_wait(buffer_share& share, std::uint32_t bytes = 4096) {
        if (share.take(*this, bytes, holders))
            return true;
        share.wait(*this);
        return false;
    }
    buffer_holders holders;
    unsigned times_granted = 0;
    std::function<void()> then;
};

/// A pool of two buffers that two strangers hold, a connection, and one buffer that it may have as its own.
struct buffer_share_test : testing::Test {
    buffer_share_test() {
        reserve.add({memory.data()});
        for (std::uint64_t i = 0; i < 2; ++i)
            EXPECT_TRUE(pool.take(strangers[i], 4096, {100 + i, 100 + i}, at_hand[i]));
    }
    static constexpr buffer_pool::size_class size[] = {{4096, 2}};
    buffer_pool pool = std::move(buffer_pool::create(size).value());
    buffer_claim strangers[2];
    accounts_at_hand at_hand[2], anybody;
    std::vector<std::byte> memory = std::vector<std::byte>(4096);
    buffer_reserve reserve{0, [] {}};
    buffer_share share{pool, reserve};
};

TEST_F(buffer_share_test, the_own_buffer_serves_one_command_at_a_time) {
    command one(1), two(1), three(1);
    EXPECT_TRUE(one.take_or_wait(share));
    EXPECT_EQ(one.data, memory.data());
    EXPECT_TRUE(one.is_own());
    EXPECT_FALSE(two.take_or_wait(share));
    EXPECT_FALSE(three.take_or_wait(share));
    share.release(one);
    EXPECT_EQ(two.data, memory.data());
    share.release(two);
    share.release(three);
    EXPECT_EQ(two.times_granted + three.times_granted, 2u);
}

TEST_F(buffer_share_test, a_namespace_with_a_buffer_of_the_pool_does_not_get_the_own_one) {
    pool.release(strangers[0]);
    command hung(1), more(1), good(2), again(2);
    EXPECT_TRUE(hung.take_or_wait(share));
    EXPECT_FALSE(hung.is_own());
    EXPECT_FALSE(more.take_or_wait(share)) << "the own buffer is free, and not for it";
    for (command* c : {&good, &again}) {
        EXPECT_TRUE(c->take_or_wait(share));
        EXPECT_TRUE(c->is_own());
        share.release(*c);
    }
    EXPECT_EQ(more.times_granted, 0u);
    // It has no buffer any more, and the pool's goes to a stranger that came earlier.
    share.release(hung);
    EXPECT_EQ(more.times_granted, 1u);
    share.release(more);
}

TEST_F(buffer_share_test, a_namespace_that_has_lost_its_buffer_to_others_gets_the_own_one) {
    pool.release(strangers[0]);
    command first(1), second(1);
    EXPECT_TRUE(first.take_or_wait(share));
    buffer_claim stranger;
    stranger.ready = [](buffer_claim&) noexcept {};
    EXPECT_FALSE(pool.take(stranger, 4096, {200, 200}, anybody));
    pool.wait(stranger);
    EXPECT_FALSE(second.take_or_wait(share));
    share.release(first);
    EXPECT_NE(stranger.data, nullptr);
    EXPECT_TRUE(second.is_own());
    share.release(second);
}

TEST_F(buffer_share_test, a_long_queue_of_commands_that_end_at_once_needs_no_stack) {
    command first(1);
    EXPECT_TRUE(first.take_or_wait(share));
    std::deque<command> line;
    unsigned deep = 0, deepest = 0;
    for (int i = 0; i < 100'000; ++i) {
        command& c = line.emplace_back(1);
        c.then = [&] {
            deepest = std::max(deepest, ++deep);
            share.release(c);
            --deep;
        };
        EXPECT_FALSE(c.take_or_wait(share));
    }
    share.release(first);
    EXPECT_EQ(deepest, 1u);
    for (const command& c : line)
        EXPECT_EQ(c.times_granted, 1u);
}

TEST_F(buffer_share_test, an_ending_connection_passes_nothing_on) {
    command one(1), two(1);
    one.take_or_wait(share);
    two.take_or_wait(share);
    share.stop();
    share.release(one);
    EXPECT_EQ(two.times_granted, 0u);
    share.cancel(two);
    pool.release(strangers[0]);
    EXPECT_EQ(two.times_granted, 0u);
}

TEST_F(buffer_share_test, two_commands_share_a_buffer_that_the_later_one_releases) {
    for (const bool first_goes_first : {true, false}) {
        for (const bool own : {true, false}) {
            if (!own)
                pool.release(strangers[0]);
            command first(1), second(1);
            EXPECT_TRUE(first.take_or_wait(share));
            EXPECT_EQ(first.is_own(), own);
            EXPECT_TRUE(share.share(second, first, 512));
            EXPECT_EQ(second.data, first.data + 512);
            const std::size_t before = pool.free_buffers(1);
            share.release(first_goes_first ? first : second);
            EXPECT_EQ(pool.free_buffers(1), before);
            share.release(first_goes_first ? second : first);
            EXPECT_EQ(pool.free_buffers(1), before + !own);
            EXPECT_EQ(first.data, nullptr);
            EXPECT_EQ(second.data, nullptr);
            if (!own) {
                EXPECT_TRUE(pool.take(strangers[0], 4096, {100, 100}, at_hand[0]));
            }
            command next(1);
            EXPECT_TRUE(next.take_or_wait(share));
            share.release(next);
        }
    }
}

TEST_F(buffer_share_test, two_commands_wait_together_for_a_shared_buffer) {
    command holder(1), first(1), second(1);
    EXPECT_TRUE(holder.take_or_wait(share));
    EXPECT_FALSE(first.take_or_wait(share));
    EXPECT_FALSE(share.share(second, first, 1024));
    share.release(holder);
    EXPECT_EQ(first.times_granted, 1u);
    EXPECT_EQ(second.times_granted, 1u);
    EXPECT_EQ(second.data, memory.data() + 1024);
    share.release(first);
    share.release(second);
}

TEST_F(buffer_share_test, the_first_of_two_may_be_done_with_it_before_the_second_has_seen_it) {
    command holder(1), first(1), second(1);
    holder.take_or_wait(share);
    first.take_or_wait(share);
    EXPECT_FALSE(share.share(second, first, 1024));
    first.then = [&] { share.release(first); };
    pool.release(strangers[1]);
    EXPECT_EQ(second.times_granted, 1u);
    EXPECT_EQ(pool.free_buffers(1), 0u);
    share.release(second);
    EXPECT_EQ(pool.free_buffers(1), 1u);
    share.release(holder);
}

TEST_F(buffer_share_test, two_that_wait_together_are_cancelled_in_either_order) {
    for (const bool first_goes_first : {true, false}) {
        command holder(1), first(1), second(1);
        holder.take_or_wait(share);
        first.take_or_wait(share);
        share.share(second, first, 1024);
        share.cancel(first_goes_first ? first : second);
        share.cancel(first_goes_first ? second : first);
        share.release(holder);
        EXPECT_EQ(first.times_granted + second.times_granted, 0u);
    }
}

TEST(buffer_share, the_own_buffer_is_made_when_it_is_needed) {
    constexpr buffer_pool::size_class size[] = {{4096, 1}};
    buffer_pool pool = std::move(buffer_pool::create(size).value());
    std::deque<std::vector<std::byte>> made;
    buffer_reserve reserve(1, [&] { reserve.add({made.emplace_back(4096).data(), 7}); });
    buffer_share share(pool, reserve);
    command one(1), two(2), three(3);
    EXPECT_TRUE(one.take_or_wait(share));
    EXPECT_TRUE(made.empty());
    EXPECT_TRUE(two.take_or_wait(share));
    EXPECT_TRUE(two.is_own());
    EXPECT_EQ(share.own_key(), 7u);
    EXPECT_FALSE(three.take_or_wait(share));
    share.release(one);
    EXPECT_FALSE(three.is_own());
    share.release(three);
    share.release(two);
    EXPECT_EQ(made.size(), 1u) << "one at a time, however many wait";
}

/// Connections beside a disk that has all of the pool.
struct scarce_buffers : testing::Test {
    scarce_buffers() { EXPECT_TRUE(pool.take(stranger, 4096, {100, 100}, at_hand)); }
    void make(std::size_t n) {
        while (n--)
            reserve.add({memory.emplace_back(4096).data()});
    }
    static constexpr buffer_pool::size_class size[] = {{4096, 1}};
    buffer_pool pool = std::move(buffer_pool::create(size).value());
    buffer_claim stranger;
    accounts_at_hand at_hand;
    std::deque<std::vector<std::byte>> memory;
    unsigned asked = 0;
    buffer_reserve reserve{2, [this] { ++asked; }};
    std::deque<buffer_share> shares;
    std::deque<command> commands;

    buffer_share& connection() { return shares.emplace_back(pool, reserve); }
    command& ask(buffer_share& s, std::uint64_t ns) {
        command& c = commands.emplace_back(ns);
        c.take_or_wait(s);
        return c;
    }
};

TEST_F(scarce_buffers, a_connection_that_finds_the_reserve_empty_gets_the_next_buffer_that_is_made) {
    command& waits = ask(connection(), 1);
    EXPECT_EQ(asked, 1u);
    EXPECT_TRUE(waits.is_waiting());
    make(1);
    EXPECT_TRUE(waits.is_own());
    EXPECT_EQ(waits.times_granted, 1u);
    shares[0].release(waits);
    EXPECT_EQ(reserve.spare(), 1u);
}

TEST_F(scarce_buffers, connections_take_turns_if_no_more_buffers_can_be_made) {
    make(1);
    std::vector<buffer_share*> order;
    for (int i = 0; i < 3; ++i) {
        buffer_share& s = connection();
        for (int n = 0; n < 2; ++n) {
            command& c = commands.emplace_back(1);
            c.then = [&] { order.push_back(&s); };
            if (c.take_or_wait(s))
                order.push_back(&s);
        }
    }
    for (std::size_t i = 0; i < 6; ++i) {
        const auto has_it = std::find_if(commands.begin(), commands.end(), [](auto& c) { return c.has_buffer(); });
        ASSERT_NE(has_it, commands.end());
        has_it->of->release(*has_it);
    }
    const auto at = [&](std::size_t i) { return &shares[i]; };
    EXPECT_EQ(order, (std::vector{at(0), at(1), at(2), at(0), at(1), at(2)}));
    EXPECT_EQ(reserve.spare(), 1u);
}

TEST_F(scarce_buffers, a_connection_that_needs_no_buffer_any_more_leaves_the_queue) {
    make(1);
    command& has = ask(connection(), 1);
    command& cancelled = ask(connection(), 1);
    command& served = ask(connection(), 1);
    command& ending = ask(connection(), 1);
    command& last = ask(connection(), 1);
    shares[1].cancel(cancelled);
    pool.release(stranger);  // goes to the first in the pool's queue
    EXPECT_TRUE(served.has_buffer() && !served.is_own());
    shares[3].stop();
    shares[0].release(has);
    EXPECT_TRUE(last.is_own());
    shares[3].cancel(ending);
    shares[4].release(last);
    shares[2].release(served);
}

TEST_F(scarce_buffers, a_long_queue_of_connections_that_end_at_once_needs_no_stack) {
    make(1);
    command& first = ask(connection(), 1);
    unsigned deep = 0, deepest = 0;
    for (int i = 0; i < 100'000; ++i) {
        buffer_share& s = connection();
        command& c = commands.emplace_back(1);
        c.then = [&] {
            deepest = std::max(deepest, ++deep);
            s.release(c);
            --deep;
        };
        EXPECT_FALSE(c.take_or_wait(s));
    }
    shares[0].release(first);
    EXPECT_EQ(deepest, 1u);
    EXPECT_EQ(commands.back().times_granted, 1u);
    EXPECT_EQ(reserve.spare(), 1u);
}

}  // namespace
}  // namespace causeway::core
