// SPDX-License-Identifier: Apache-2.0
#include "bdev_rbd/object_layout.h"

#include <gtest/gtest.h>

namespace causeway::bdev_rbd {
namespace {

constexpr std::uint64_t kib = 1024, mib = 1024 * kib;
constexpr object_layout plain{};
constexpr object_layout striped{.object_bytes = 4 * mib, .stripe_bytes = 64 * kib, .stripe_count = 3};

TEST(object_layout, a_plain_image_is_cut_into_objects) {
    EXPECT_EQ(plain.of(0), (object_layout::position{0, 0}));
    EXPECT_EQ(plain.of(4 * mib - 1), (object_layout::position{0, 4 * mib - 1}));
    EXPECT_EQ(plain.of(9 * mib + 7), (object_layout::position{2, mib + 7}));
}

TEST(object_layout, stripes_go_round_the_objects_of_a_set_until_these_are_full) {
    EXPECT_EQ(striped.of(64 * kib), (object_layout::position{1, 0}));
    EXPECT_EQ(striped.of(3 * 64 * kib + 5), (object_layout::position{0, 64 * kib + 5}));
    EXPECT_EQ(striped.of(12 * mib - 1), (object_layout::position{2, 4 * mib - 1}));
    EXPECT_EQ(striped.of(12 * mib), (object_layout::position{3, 0})) << "the next set";
}

TEST(object_layout, the_cost_of_a_range_is_the_objects_it_touches) {
    EXPECT_EQ(plain.objects(0, 1), 1u);
    EXPECT_EQ(plain.objects(4 * mib - 512, 512), 1u);
    EXPECT_EQ(plain.objects(4 * mib - 512, 1024), 2u);
    EXPECT_EQ(plain.objects(0, 256 * mib), 64u) << "a deallocation that is one command";
    EXPECT_EQ(striped.objects(0, 64 * kib), 1u);
    EXPECT_EQ(striped.objects(0, 65 * kib), 2u);
    EXPECT_EQ(striped.objects(0, mib), 3u) << "no more than there are in a set";
    EXPECT_EQ(striped.objects(0, 24 * mib), 6u);
}

TEST(object_layout, a_granule_is_a_whole_number_of_discards_in_each_object) {
    EXPECT_EQ(plain.granule(64 * kib), 64 * kib);
    EXPECT_EQ(plain.granule(4 * mib), 4 * mib);
    EXPECT_EQ(striped.granule(64 * kib), 64 * kib) << "within a stripe unit";
    EXPECT_EQ(striped.granule(128 * kib), 3 * 128 * kib) << "which no shorter range has of any object";
}

TEST(object_layout, long_ranges_are_cut_where_objects_end) {
    EXPECT_EQ(plain.piece(0, mib, 8), mib);
    EXPECT_EQ(plain.piece(0, 256 * mib, 8), 32 * mib);
    EXPECT_EQ(plain.piece(5 * mib, 256 * mib, 8), 27 * mib);
    EXPECT_EQ(striped.piece(mib, 256 * mib, 8), 23 * mib);
    EXPECT_EQ(striped.piece(mib, 256 * mib, 1), 11 * mib) << "a set is the least";
}

}  // namespace
}  // namespace causeway::bdev_rbd
