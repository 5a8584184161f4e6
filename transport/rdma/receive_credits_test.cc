// SPDX-License-Identifier: Apache-2.0
#include "transport/rdma/receive_credits.h"

#include <gtest/gtest.h>
#include <random>
#include <vector>

namespace causeway::rdma {
namespace {

/// As the pool does it, with slots without end.
void refill(receive_credits& l) {
    l.post(l.missing());
}

TEST(receive_credits, few_connections_have_all_that_is_promised_posted) {
    receive_credits l(1000, 256);
    l.join(128, 16);
    l.join(64, 16);
    refill(l);
    EXPECT_EQ(l.circulating(), 192u);
}

TEST(receive_credits, many_have_what_they_claim_and_a_cushion) {
    receive_credits l(4096, 256);
    for (int i = 0; i < 30; ++i)
        l.join(128, 16);
    refill(l);
    EXPECT_EQ(l.circulating(), 30u * 16 + 256);
    l.raise(112);
    EXPECT_EQ(l.missing(), 112u);
}

TEST(receive_credits, no_more_is_promised_than_there_can_be) {
    receive_credits l(128, 16);
    l.join(100, 16);
    EXPECT_FALSE(l.has_room(29));
    EXPECT_TRUE(l.has_room(28));
}

TEST(receive_credits, what_one_leaves_the_next_one_gets) {
    receive_credits l(128, 128);
    l.join(100, 16);
    refill(l);
    l.leave(100, 16);
    l.join(30, 16);
    EXPECT_EQ(l.missing(), 0u) << "they are posted already";
    l.join(98, 16);
    EXPECT_EQ(l.missing(), 28u);
}

TEST(receive_credits, what_nobody_wants_leaves_circulation_as_it_comes_back) {
    receive_credits l(128, 128);
    l.join(32, 16);
    l.join(2, 2);
    refill(l);
    l.leave(2, 2);
    EXPECT_FALSE(l.recycle());
    EXPECT_FALSE(l.recycle());
    EXPECT_TRUE(l.recycle());
}

/// Connections that come and go at random, commands that come, hang on beyond their connection, and go. Whatever the
/// others do, each finds a receive for what it claims.
TEST(receive_credits, holds_for_any_history) {
    struct connection {
        std::uint32_t depth, claim, held;
    };
    for (unsigned seed = 0; seed < 50; ++seed) {
        std::mt19937 random(seed);
        constexpr std::uint32_t capacity = 400, cushion = 32;
        receive_credits l(capacity, cushion);
        std::vector<connection> live;
        std::uint32_t posted = 0, held_by_dead = 0;
        for (int i = 0; i < 5000; ++i) {
            connection* const c = live.empty() ? nullptr : &live[random() % live.size()];
            switch (random() % 5) {
            case 0:
                if (const std::uint32_t depth = 2 + random() % 60; l.has_room(depth)) {
                    const std::uint32_t claim = std::min(depth, 16u);
                    l.join(depth, claim);
                    live.push_back({depth, claim, 0});
                }
                break;
            case 1:
                if (c) {
                    l.leave(c->depth - c->held, c->claim - c->held);
                    held_by_dead += c->held;
                    *c = live.back();
                    live.pop_back();
                }
                break;
            case 2:
            case 3:
                if (c && c->held < c->depth) {
                    ASSERT_GT(posted, 0u) << "within its depth, and no receive";
                    --posted;
                    if (++c->held > c->claim) {
                        l.raise(c->held - c->claim);
                        c->claim = c->held;
                    }
                }
                break;
            case 4:
                if (held_by_dead && random() % 2) {
                    --held_by_dead;
                    l.leave(1, 1);
                    posted += l.recycle();
                } else if (c && c->held) {
                    --c->held;
                    posted += l.recycle();
                }
                break;
            }
            posted += l.missing();
            refill(l);
            std::uint32_t held = held_by_dead, free_claims = 0;
            for (const connection& each : live) {
                held += each.held;
                free_claims += each.claim - each.held;
            }
            ASSERT_EQ(posted + held, l.circulating());
            ASSERT_LE(l.circulating(), capacity);
            ASSERT_GE(posted, free_claims);
        }
    }
}

}  // namespace
}  // namespace causeway::rdma
