// SPDX-License-Identifier: Apache-2.0
#include "ceph/operation_share.h"

#include <deque>
#include <gtest/gtest.h>

namespace causeway::ceph {
namespace {

TEST(operation_share, an_image_alone_gets_a_half_of_the_limit) {
    const auto client = std::make_shared<outstanding_operations>(1000);
    operation_share image(client);
    unsigned taken = 0;
    while (image.take(1))
        ++taken;
    EXPECT_EQ(taken, 500u);
    image.release(200);
    EXPECT_TRUE(image.take(100));
    EXPECT_EQ(client->count(), 400u);
}

TEST(operation_share, images_that_hang_leave_the_others_their_part) {
    for (const unsigned hung : {1u, 3u, 9u}) {
        const auto client = std::make_shared<outstanding_operations>(1000);
        std::deque<operation_share> images;
        for (unsigned n = 0; n < hung; ++n)
            images.emplace_back(client);
        for (bool any = true; any;) {
            any = false;
            for (auto& image : images)
                any |= image.take(1);
        }
        EXPECT_GE(client->left(), 1000 / (hung + 1)) << hung;
        operation_share good(client);
        unsigned taken = 0;
        while (good.take(1))
            ++taken;
        EXPECT_GE(taken, 1000 / (hung + 1) / 2) << hung;
    }
}

TEST(operation_share, everybody_gets_a_floor_and_whoever_has_nothing_may_begin_anything) {
    const auto client = std::make_shared<outstanding_operations>(100);
    operation_share greedy(client), late(client);
    ASSERT_TRUE(greedy.take(1000)) << "nothing is outstanding";
    EXPECT_EQ(client->left(), 0u);
    for (unsigned n = 0; n < operation_share::floor; ++n)
        EXPECT_TRUE(late.take(1)) << n;
    EXPECT_FALSE(late.take(1));
}

}  // namespace
}  // namespace causeway::ceph
