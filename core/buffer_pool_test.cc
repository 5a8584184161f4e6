#include "core/buffer_pool.h"

#include <algorithm>
#include <functional>

#include <gtest/gtest.h>
#include <memory>
#include <set>
#include <utility>
#include <vector>

namespace causeway::core {
namespace {

constexpr buffer_pool::size_class two_sizes[] = {{4096, 2}, {16384, 1}};

/// Notes in which order waiters are served.
struct client : buffer_pool::waiter {
    client(std::vector<int>& order, int name) : order_(order), name_(name) {
        ready = [](buffer_pool::waiter& w, std::byte* b) noexcept { static_cast<client&>(w).served(b); };
    }
    void served(std::byte* b) {
        buffer = b;
        order_.push_back(name_);
        if (then)
            then();
    }
    std::byte* buffer = nullptr;
    std::function<void()> then;

  private:
    std::vector<int>& order_;
    int name_;
};

struct buffer_pool_test : testing::Test {
    buffer_pool pool = std::move(buffer_pool::create(two_sizes).value());
    std::vector<int> order;
};

TEST_F(buffer_pool_test, buffers_are_distinct_aligned_and_inside_the_region) {
    std::set<std::byte*> seen;
    for (std::uint32_t bytes : {4096u, 1u, 16384u}) {
        std::byte* b = pool.take(bytes);
        ASSERT_NE(b, nullptr);
        EXPECT_TRUE(seen.insert(b).second);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b) % 4096, 0u);
        EXPECT_GE(b, pool.memory().data());
        EXPECT_LE(b + std::max(bytes, 4096u), pool.memory().data() + pool.memory().size());
    }
    EXPECT_EQ(pool.largest(), 16384u);
}

TEST_F(buffer_pool_test, an_exhausted_size_gives_nothing_and_takes_from_no_other) {
    EXPECT_NE(pool.take(4096), nullptr);
    std::byte* last = pool.take(512);
    EXPECT_NE(last, nullptr);
    EXPECT_EQ(pool.take(4096), nullptr);
    EXPECT_NE(pool.take(4097), nullptr);
    pool.give_back(last, 512);
    EXPECT_EQ(pool.take(4096), last);
}

TEST_F(buffer_pool_test, who_waits_is_served_in_order) {
    std::byte* a = pool.take(4096);
    std::byte* b = pool.take(4096);
    client one(order, 1), two(order, 2), three(order, 3);
    for (client* c : {&one, &two, &three})
        pool.wait(*c, 4096);
    EXPECT_EQ(pool.waits(), 3u);
    pool.give_back(b, 4096);
    pool.give_back(a, 4096);
    EXPECT_EQ(order, (std::vector{1, 2}));
    EXPECT_EQ(one.buffer, b);
    EXPECT_EQ(two.buffer, a);
    pool.give_back(one.buffer, 4096);
    EXPECT_EQ(order, (std::vector{1, 2, 3}));
    EXPECT_EQ(pool.take(4096), nullptr);
}

TEST_F(buffer_pool_test, nobody_overtakes_the_line) {
    std::byte* a = pool.take(4096);
    pool.take(4096);
    client one(order, 1), two(order, 2);
    pool.wait(one, 4096);
    pool.wait(two, 4096);
    std::byte* overtaken = a;
    one.then = [&] { overtaken = pool.take(4096); };
    pool.give_back(a, 4096);
    EXPECT_EQ(overtaken, nullptr);
    pool.cancel(two);
}

TEST_F(buffer_pool_test, nobody_overtakes_the_line_while_it_is_served) {
    std::byte* a = pool.take(16384);
    client one(order, 1), two(order, 2);
    pool.wait(one, 16384);
    pool.wait(two, 16384);
    one.then = [&] {
        pool.give_back(one.buffer, 16384);  // the second one's, though it has not got it yet
        EXPECT_EQ(pool.take(16384), nullptr);
    };
    pool.give_back(a, 16384);
    EXPECT_EQ(two.buffer, a);
}

TEST_F(buffer_pool_test, cancelled_at_every_place_in_line) {
    for (int cancelled = 0; cancelled < 3; ++cancelled) {
        order.clear();
        std::byte* a = pool.take(4096);
        std::byte* b = pool.take(4096);
        client c[] = {{order, 0}, {order, 1}, {order, 2}};
        for (auto& w : c)
            pool.wait(w, 4096);
        pool.cancel(c[cancelled]);
        pool.cancel(c[cancelled]);  // not in line: nothing happens
        client late(order, 3);
        pool.wait(late, 4096);
        for (std::byte* buffer : {a, b, a})
            pool.give_back(buffer, 4096);
        std::vector<int> expected{0, 1, 2, 3};
        expected.erase(expected.begin() + cancelled);
        EXPECT_EQ(order, expected) << cancelled;
        for (std::byte* buffer : {a, b})
            pool.give_back(buffer, 4096);
    }
}

TEST_F(buffer_pool_test, the_whole_line_may_leave) {
    std::byte* a = pool.take(4096);
    pool.take(4096);
    client one(order, 1), two(order, 2);
    pool.wait(one, 4096);
    pool.wait(two, 4096);
    pool.cancel(two);
    pool.cancel(one);
    pool.give_back(a, 4096);
    EXPECT_TRUE(order.empty());
    EXPECT_EQ(pool.take(4096), a);
}

TEST_F(buffer_pool_test, a_long_line_of_those_who_give_back_at_once_needs_no_stack) {
    std::byte* a = pool.take(16384);
    std::vector<std::unique_ptr<client>> line;
    for (int i = 0; i < 200'000; ++i) {
        auto& c = *line.emplace_back(std::make_unique<client>(order, i));
        c.then = [&] { pool.give_back(c.buffer, 16384); };
        pool.wait(c, 16384);
    }
    pool.give_back(a, 16384);
    EXPECT_EQ(order.size(), line.size());
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
    EXPECT_EQ(pool.take(16384), a);
}

TEST_F(buffer_pool_test, the_served_may_wait_again_behind_the_others) {
    std::byte* a = pool.take(16384);
    client one(order, 1), two(order, 2);
    pool.wait(one, 16384);
    pool.wait(two, 16384);
    bool again = false;
    one.then = [&] {
        if (std::exchange(again, true))
            return;
        pool.wait(one, 16384);
        pool.give_back(a, 16384);
    };
    pool.give_back(a, 16384);
    EXPECT_EQ(order, (std::vector{1, 2}));
    pool.give_back(a, 16384);
    EXPECT_EQ(order, (std::vector{1, 2, 1}));
}

TEST_F(buffer_pool_test, moves_with_its_memory) {
    std::byte* a = pool.take(4096);
    buffer_pool other = std::move(pool);
    other.give_back(a, 4096);
    EXPECT_EQ(other.take(4096), a);
    EXPECT_EQ(other.memory().size(), 2u * 4096 + 16384);
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

}  // namespace
}  // namespace causeway::core
