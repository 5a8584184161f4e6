#include "transport/rdma/receive_ledger.h"

#include <gtest/gtest.h>
#include <random>
#include <vector>

namespace causeway::rdma {
namespace {

TEST(receive_ledger, a_connection_brings_its_own) {
    receive_ledger l(128);
    EXPECT_EQ(l.join(32), 32u);
    EXPECT_EQ(l.join(64), 64u);
    EXPECT_EQ(l.claimed(), 96u);
}

TEST(receive_ledger, no_more_than_there_are) {
    receive_ledger l(128);
    ASSERT_TRUE(l.join(100));
    EXPECT_EQ(l.join(29), std::nullopt);
    EXPECT_EQ(l.join(28), 28u);
    EXPECT_EQ(l.join(1), std::nullopt);
}

TEST(receive_ledger, what_one_leaves_the_next_one_gets) {
    receive_ledger l(128);
    ASSERT_EQ(l.join(100), 100u);
    l.leave(100);
    EXPECT_EQ(l.surplus(), 100u);
    EXPECT_EQ(l.join(30), 0u) << "they are posted already";
    EXPECT_EQ(l.surplus(), 70u);
    EXPECT_EQ(l.join(98), 28u);
    EXPECT_EQ(l.surplus(), 0u);
}

TEST(receive_ledger, what_nobody_claims_leaves_circulation_as_it_comes_back) {
    receive_ledger l(128);
    ASSERT_TRUE(l.join(32));
    ASSERT_TRUE(l.join(2));
    l.leave(2);
    EXPECT_FALSE(l.recycle());
    EXPECT_FALSE(l.recycle());
    EXPECT_TRUE(l.recycle());
}

/// Connections that come and go at random, commands that come and go: at any time there are as many receives in
/// circulation as are claimed or surplus, no slot is in two places, and who is connected has its share.
TEST(receive_ledger, holds_for_any_history) {
    for (unsigned seed = 0; seed < 50; ++seed) {
        std::mt19937 random(seed);
        constexpr std::uint32_t capacity = 200;
        receive_ledger l(capacity);
        std::uint32_t spare = capacity, posted = 0, held = 0;
        std::vector<std::uint32_t> connections;
        for (int i = 0; i < 5000; ++i) {
            switch (random() % 4) {
            case 0: {
                const std::uint32_t depth = 2 + random() % 60;
                if (const auto more = l.join(depth)) {
                    ASSERT_LE(*more, spare);
                    spare -= *more;
                    posted += *more;
                    connections.push_back(depth);
                }
                break;
            }
            case 1:
                if (!connections.empty()) {
                    l.leave(connections.back());
                    connections.pop_back();
                }
                break;
            case 2:
                if (posted) {
                    --posted;
                    ++held;
                }
                break;
            case 3:
                if (held) {
                    --held;
                    ++(l.recycle() ? posted : spare);
                }
                break;
            }
            ASSERT_EQ(posted + held, l.claimed() + l.surplus());
            ASSERT_EQ(posted + held + spare, capacity);
        }
    }
}

}  // namespace
}  // namespace causeway::rdma
