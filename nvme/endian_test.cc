// SPDX-License-Identifier: Apache-2.0
#include "nvme/endian.h"

#include "nvme/testing/golden.h"

#include <gtest/gtest.h>

namespace causeway::nvme {
namespace {

using testing::image;
using testing::read;
using testing::sent;

TEST(endian, the_low_byte_comes_first) {
    EXPECT_EQ(sent(le16{0x1234}), (image<2>{0x34, 0x12}));
    EXPECT_EQ(sent(le24{0x123456}), (image<3>{0x56, 0x34, 0x12}));
    EXPECT_EQ(sent(le32{0x12345678}), (image<4>{0x78, 0x56, 0x34, 0x12}));
    EXPECT_EQ(sent(le64{0x123456789abcdef0}), (image<8>{0xf0, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12}));
}

TEST(endian, reads_what_is_on_the_wire) {
    EXPECT_EQ(read<le16>(image<2>{0x34, 0x12}), 0x1234);
    EXPECT_EQ(read<le24>(image<3>{0x56, 0x34, 0x12}), 0x123456u);
    EXPECT_EQ(read<le32>(image<4>{0xff, 0xff, 0xff, 0xff}), 0xffffffffu);
    EXPECT_EQ(read<le64>(image<8>{1, 0, 0, 0, 0, 0, 0, 0x80}), 0x8000000000000001u);
}

TEST(endian, a_24_bit_field_drops_the_high_byte) {
    EXPECT_EQ(le24{0xff123456}, 0x123456u);
}

TEST(endian, works_at_compile_time) {
    static_assert(le32{0xdeadbeef}.value() == 0xdeadbeef);
    static_assert(le24{0xabcdef}.bytes[2] == 0xab);
    static_assert(std::is_trivially_default_constructible_v<le64>);
}

TEST(bits, are_named_as_in_the_specification) {
    static_assert(bits<7, 4>(std::uint8_t{0xa5}) == 0xa);
    static_assert(bits<31, 0>(0xdeadbeefu) == 0xdeadbeef);
    static_assert(bits<63, 60>(0x9000000000000000u) == 9);
    static_assert(bits<15, 15>(std::uint16_t{0x8000}) == 1);
}

TEST(bits, replacing_leaves_the_neighbours) {
    static_assert(with_bits<7, 4>(0xffffffffu, 0) == 0xffffff0f);
    static_assert(with_bits<7, 4>(0u, 0x1f) == 0xf0);
    static_assert(with_bits<63, 0>(std::uint64_t{1}, 0x8000000000000000u) == 0x8000000000000000u);
    static_assert(with_bits<12, 11>(std::uint16_t{0xffff}, 0) == 0xe7ff);
}

}  // namespace
}  // namespace causeway::nvme
