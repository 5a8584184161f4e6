// SPDX-License-Identifier: Apache-2.0
#include "host/pattern.h"
#include "host/write_tracker.h"

#include <gtest/gtest.h>
#include <vector>

namespace causeway::host {
namespace {

constexpr std::uint32_t block = 512;

std::vector<std::byte> blocks(const pattern& p, std::uint64_t lba, std::uint64_t generation, unsigned count = 1) {
    std::vector<std::byte> data(count * block);
    p.fill(data, lba, generation);
    return data;
}

TEST(pattern, each_block_contains_its_number) {
    const pattern p(7, block);
    const auto data = blocks(p, 100, 3, 4);
    for (unsigned i = 0; i < 4; ++i) {
        const auto one = std::span(data).subspan(i * block, block);
        EXPECT_TRUE(p.is(one, 100 + i, 3));
        EXPECT_FALSE(p.is(one, 101 + i, 3)) << "another block";
        EXPECT_FALSE(p.is(one, 100 + i, 2)) << "an older one";
        EXPECT_FALSE(pattern(8, block).is(one, 100 + i, 3)) << "another run's";
    }
}

TEST(pattern, each_byte_is_compared) {
    const pattern p(7, block);
    for (std::size_t i = 0; i < block; ++i) {
        auto data = blocks(p, 5, 1);
        data[i] ^= std::byte{1};
        EXPECT_FALSE(p.is(data, 5, 1)) << i;
    }
}

TEST(pattern, describes_a_block) {
    const pattern p(7, block);
    EXPECT_EQ(p.describe(blocks(p, 9, 4)), "generation 4 of block 9");
    EXPECT_EQ(p.describe(std::vector<std::byte>(block)), "zeroes");
    auto spoilt = blocks(p, 9, 4);
    spoilt[256] ^= std::byte{1};
    EXPECT_EQ(p.describe(spoilt), "generation 4 of block 9, spoilt from byte 256 on");
}

TEST(write_tracker, a_slot_is_used_by_one_command_at_a_time) {
    write_tracker l(4);
    EXPECT_TRUE(l.take(2));
    EXPECT_FALSE(l.take(2));
    l.release(2);
    EXPECT_TRUE(l.take(2));
}

TEST(write_tracker, an_unacknowledged_write_is_repeated_with_its_generation) {
    write_tracker l(1);
    EXPECT_EQ(l.begin_write(0), 1u);
    EXPECT_TRUE(l.is_pending(0));
    EXPECT_EQ(l.begin_write(0), 1u);
    l.acknowledge(0);
    EXPECT_FALSE(l.is_pending(0));
    EXPECT_EQ(l.acknowledged(0), 1u);
    EXPECT_EQ(l.begin_write(0), 2u);
    EXPECT_EQ(l.acknowledged(0), 1u);
}

}  // namespace
}  // namespace causeway::host
