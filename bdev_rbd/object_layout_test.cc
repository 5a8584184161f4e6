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

}  // namespace
}  // namespace causeway::bdev_rbd
