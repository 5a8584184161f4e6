// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/data_pointer.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <vector>

namespace causeway::bdev_nvme {
namespace {

/// Pages whose addresses the test knows; nothing looks into them.
std::byte* const pages = reinterpret_cast<std::byte*>(std::uintptr_t{0x7f0000000000});

struct data_pointer_test : ::testing::Test {
    iovec at(std::size_t offset, std::size_t bytes) const { return {pages + offset, bytes}; }
    bool set(sgl_support sgls, std::vector<iovec> data, std::size_t skip, std::size_t bytes) {
        c = {};
        return data_pointer(everything, sgls).set(c, data, skip, bytes, list());
    }
    std::byte* list() { return reinterpret_cast<std::byte*>(entries.data()); }
    std::uint64_t entry(std::size_t i) const { return entries[i]; }
    nvme::prp_pointer prps() const { return std::bit_cast<nvme::prp_pointer>(c.sgl); }
    std::uint64_t page(std::size_t offset) const { return reinterpret_cast<std::uintptr_t>(pages) + offset; }

    const dma_reach everything{true};
    nvme::command c{};
    alignas(4096) std::array<std::uint64_t, 512> entries{};
};

TEST_F(data_pointer_test, within_one_page_there_is_one_entry) {
    ASSERT_TRUE(set(sgl_support::none, {at(0x200, 0xe00)}, 0, 0xe00));
    EXPECT_EQ(prps().prp1, page(0x200));
    EXPECT_EQ(prps().prp2, 0u);
    EXPECT_EQ(c.flags, 0);
}

TEST_F(data_pointer_test, a_second_page_is_named_itself) {
    ASSERT_TRUE(set(sgl_support::none, {at(0x200, 0x1000)}, 0, 0x1000));
    EXPECT_EQ(prps().prp1, page(0x200));
    EXPECT_EQ(prps().prp2, page(0x1000));
}

TEST_F(data_pointer_test, more_pages_are_in_a_list) {
    ASSERT_TRUE(set(sgl_support::none, {at(0x200, 0x3000)}, 0, 0x3000));
    EXPECT_EQ(prps().prp2, reinterpret_cast<std::uintptr_t>(list()));
    EXPECT_EQ(entry(0), page(0x1000));
    EXPECT_EQ(entry(1), page(0x2000));
    EXPECT_EQ(entry(2), page(0x3000));
    EXPECT_EQ(entry(3), 0u);
}

TEST_F(data_pointer_test, the_largest_command_fills_a_page_of_entries) {
    ASSERT_TRUE(set(sgl_support::none, {at(0, max_command_bytes)}, 0, max_command_bytes));
    EXPECT_EQ(entry(510), page(511 * 0x1000));
    EXPECT_EQ(entry(511), 0u);
    ASSERT_TRUE(set(sgl_support::none, {at(0xffc, max_command_bytes)}, 0, max_command_bytes));
    EXPECT_EQ(entry(511), page(512 * 0x1000));
}

TEST_F(data_pointer_test, a_part_of_the_data_begins_where_it_begins) {
    ASSERT_TRUE(set(sgl_support::none, {at(0, 0x8000)}, 0x3000, 0x1000));
    EXPECT_EQ(prps().prp1, page(0x3000));
    EXPECT_EQ(prps().prp2, 0u);
}

TEST_F(data_pointer_test, pieces_that_meet_at_page_ends_are_pages) {
    ASSERT_TRUE(set(sgl_support::none, {at(0x800, 0x800), at(0x5000, 0x1000), at(0x9000, 0x10)}, 0, 0x1810));
    EXPECT_EQ(prps().prp1, page(0x800));
    EXPECT_EQ(entry(0), page(0x5000));
    EXPECT_EQ(entry(1), page(0x9000));
}

TEST_F(data_pointer_test, pieces_that_meet_elsewhere_need_a_list_of_segments) {
    const std::vector<iovec> pieces{at(0x800, 0x400), at(0x5004, 0x400)};
    EXPECT_FALSE(set(sgl_support::none, pieces, 0, 0x800));
    ASSERT_TRUE(set(sgl_support::dword_aligned, pieces, 0x100, 0x700));
    EXPECT_EQ(c.psdt(), nvme::psdt::sgl);
    ASSERT_EQ(c.sgl.type(), nvme::sgl_type::last_segment);
    EXPECT_EQ(c.sgl.as_segment().length, 32u);
    const auto* descriptors = reinterpret_cast<const nvme::sgl_data_block*>(list());
    EXPECT_EQ(descriptors[0].address, page(0x900));
    EXPECT_EQ(descriptors[0].length, 0x300u);
    EXPECT_EQ(descriptors[1].address, page(0x5004));
    EXPECT_EQ(descriptors[1].length, 0x400u);
}

TEST_F(data_pointer_test, odd_addresses_are_for_controllers_that_take_them) {
    EXPECT_FALSE(set(sgl_support::none, {at(1, 512)}, 0, 512));
    EXPECT_FALSE(set(sgl_support::dword_aligned, {at(1, 512)}, 0, 512));
    ASSERT_TRUE(set(sgl_support::any, {at(1, 512)}, 0, 512));
    EXPECT_EQ(c.sgl.as_data_block().address, page(1));
    EXPECT_TRUE(set(sgl_support::none, {at(4, 512)}, 0, 512));
}

TEST_F(data_pointer_test, a_long_run_is_one_descriptor_where_there_are_some) {
    ASSERT_TRUE(set(sgl_support::any, {at(0, 0x20000)}, 0, 0x20000));
    EXPECT_TRUE(c.sgl.is(nvme::sgl_type::data_block, nvme::sgl_subtype::address));
    EXPECT_EQ(c.sgl.as_data_block().length, 0x20000u);
    ASSERT_TRUE(set(sgl_support::any, {at(0, 0x1000)}, 0, 0x1000));
    EXPECT_EQ(c.psdt(), nvme::psdt::prp) << "short ones are pages for every controller";
}

TEST_F(data_pointer_test, a_list_with_more_segments_than_fit_in_the_page_is_not_used) {
    std::vector<iovec> many;
    for (std::size_t i = 0; i < 257; ++i)
        many.push_back(at(i * 0x2000, 4));
    EXPECT_FALSE(set(sgl_support::any, many, 0, 257 * 4));
    EXPECT_TRUE(set(sgl_support::any, many, 4, 256 * 4));
}

TEST_F(data_pointer_test, memory_that_the_device_cannot_reach_is_not_described) {
    dma_reach some;
    some.add(pages, 2 * dma_reach::page);
    const data_pointer p(some, sgl_support::any);
    const auto fits = [&](std::vector<iovec> data) {
        std::size_t bytes = 0;
        for (const iovec& v : data)
            bytes += v.iov_len;
        return p.set(c, data, 0, bytes, list());
    };
    EXPECT_TRUE(fits({at(2 * dma_reach::page - 512, 512)}));
    EXPECT_FALSE(fits({at(2 * dma_reach::page - 512, 1024)}));
    EXPECT_FALSE(fits({at(0, 512), at(2 * dma_reach::page, 512)}));
}

TEST(dma_reach, counts_whole_pages_and_forgets_them) {
    dma_reach r;
    constexpr std::size_t page = dma_reach::page;
    r.add(pages + 100, 3 * page);  // the first and the last page are there in part
    EXPECT_FALSE(r.covers(pages + 100, 8));
    EXPECT_TRUE(r.covers(pages + page, 2 * page));
    EXPECT_FALSE(r.covers(pages + page, 2 * page + 1));
    r.remove(pages + page, page);
    EXPECT_FALSE(r.covers(pages + page, 1));
    EXPECT_TRUE(r.covers(pages + 2 * page, page));
    EXPECT_FALSE(r.covers(reinterpret_cast<void*>(~std::uintptr_t{0} - 4096), 16)) << "beyond all user addresses";
}

}  // namespace
}  // namespace causeway::bdev_nvme
