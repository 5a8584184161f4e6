// SPDX-License-Identifier: Apache-2.0
#include "transport/rdma/sgl.h"

#include <cstring>
#include <gtest/gtest.h>
#include <vector>

namespace causeway::rdma {
namespace {

using nvme::sgl_descriptor;
using nvme::sgl_subtype;
using nvme::sgl_type;
using nvme::status;
using nvmf::transfer;
namespace sc = nvme::sc;

constexpr std::uint64_t base = 0x7f00'1234'5000;
constexpr std::uint32_t key = 0xfeedbee5;

sgl_descriptor host(std::uint32_t length, std::uint32_t at = 0, sgl_subtype s = sgl_subtype::address) {
    return sgl_descriptor::keyed_data_block(base + at, length, key, s);
}

sgl_descriptor of_type(unsigned type, unsigned subtype, std::uint32_t length = 4096) {
    sgl_descriptor d = sgl_descriptor::data_block(0, length);
    d.identifier = static_cast<std::uint8_t>(type << 4 | subtype);
    return d;
}

std::vector<std::byte> list_of(std::size_t count, const sgl_descriptor& each) {
    std::vector<std::byte> bytes(count * sizeof each);
    for (std::size_t i = 0; i < count; ++i)
        std::memcpy(bytes.data() + i * sizeof each, &each, sizeof each);
    return bytes;
}

std::vector<std::byte> nothing;
std::vector<std::byte> carried(std::size_t n) {
    return std::vector<std::byte>(n);
}

struct row {
    const char* sentence;
    sgl_descriptor sgl;
    std::vector<std::byte> capsule_data;
    std::uint32_t length;
    transfer way;
    status wanted;
    unsigned remote_count = 0;
    bool in_capsule = false;
    bool invalidate = false;
    std::uint32_t capsule_offset = 0;
};

constexpr auto to_host = transfer::to_host;
constexpr auto from_host = transfer::from_host;
constexpr auto ok = sc::success;
constexpr auto last = [](std::uint64_t offset, std::uint32_t length) {
    return sgl_descriptor::last_segment(offset, length);
};
constexpr auto inside = [](std::uint64_t offset, std::uint32_t length) {
    return sgl_descriptor::data_block(offset, length, sgl_subtype::offset);
};

const row rows[] = {
    {"a piece of host memory for a read", host(4096), nothing, 4096, to_host, ok, 1},
    {"a piece of host memory for a write", host(4096), nothing, 4096, from_host, ok, 1},
    {"the host wants its key invalidated", host(4096, 0, sgl_subtype::invalidate_key), nothing, 4096, to_host, ok, 1,
     false, true},
    {"more host memory than data is fine", host(8192), nothing, 4096, to_host, ok, 1},
    {"less host memory than data is not", host(4095), nothing, 4096, to_host, sc::data_sgl_length_invalid},
    {"no host memory", host(0), nothing, 512, to_host, sc::data_sgl_length_invalid},
    {"the longest piece there is", host(0xffffff), nothing, 131072, to_host, ok, 1},
    {"keyed, by offset", of_type(4, 1), nothing, 4096, to_host, sc::sgl_type_invalid},
    {"keyed, of a transport's own subtype", of_type(4, 0xa), nothing, 4096, to_host, sc::sgl_type_invalid},

    {"data in the capsule", inside(0, 4096), carried(4096), 4096, from_host, ok, 0, true},
    {"data in the capsule, further in", inside(512, 512), carried(1024), 512, from_host, ok, 0, true, false, 512},
    {"more in the capsule than is used", inside(0, 1024), carried(1024), 512, from_host, ok, 0, true},
    {"data in the capsule of a read", inside(0, 4096), carried(4096), 4096, to_host, sc::invalid_field},
    {"the capsule carries less than it says", inside(0, 4096), carried(4095), 4096, from_host,
     sc::data_sgl_length_invalid},
    {"the capsule carries nothing", inside(0, 512), nothing, 512, from_host, sc::data_sgl_length_invalid},
    {"data begins at the end of the capsule", inside(512, 512), carried(512), 512, from_host,
     sc::data_sgl_length_invalid},
    {"data begins behind the capsule", inside(513, 512), carried(512), 512, from_host, sc::sgl_offset_invalid},
    {"an offset that wraps around", inside(~std::uint64_t{0} - 3, 8), carried(512), 4, from_host,
     sc::sgl_offset_invalid},
    {"a length that wraps around", inside(16, 0xfffffff8), carried(512), 512, from_host, sc::data_sgl_length_invalid},
    {"less in the capsule than the command moves", inside(0, 256), carried(4096), 512, from_host,
     sc::data_sgl_length_invalid},

    {"a list of one", last(0, 16), list_of(1, host(4096)), 4096, to_host, ok, 1},
    {"a list of 16", last(0, 256), list_of(16, host(256)), 4096, from_host, ok, 16},
    {"a list of 17", last(0, 272), list_of(17, host(256)), 4096, from_host, sc::invalid_sgl_count},
    {"a list of none", last(0, 0), list_of(1, host(4096)), 4096, to_host, sc::invalid_sgl_segment},
    {"a list that ends inside a descriptor", last(0, 24), list_of(2, host(4096)), 4096, to_host,
     sc::invalid_sgl_segment},
    {"a list of 2^28 descriptors", last(0, 0xfffffff0), list_of(1, host(4096)), 4096, to_host, sc::invalid_sgl_count},
    {"a list longer than the capsule", last(0, 32), list_of(1, host(4096)), 4096, to_host, sc::sgl_offset_invalid},
    {"a list that begins inside the capsule", last(16, 16), list_of(2, host(4096)), 4096, to_host, ok, 1},
    {"a list that begins inside and ends outside", last(17, 16), list_of(2, host(4096)), 4096, to_host,
     sc::sgl_offset_invalid},
    {"a list that begins behind the capsule", last(64, 16), list_of(1, host(4096)), 4096, to_host,
     sc::sgl_offset_invalid},
    {"a list whose offset wraps around", last(~std::uint64_t{7}, 16), list_of(1, host(4096)), 4096, to_host,
     sc::sgl_offset_invalid},
    {"a list of too little", last(0, 32), list_of(2, host(512)), 4096, to_host, sc::data_sgl_length_invalid},
    {"a list with more pieces than the data needs", last(0, 64), list_of(4, host(4096)), 4096, to_host, ok, 1},
    {"a list of empty pieces", last(0, 64), list_of(4, host(0)), 512, to_host, sc::data_sgl_length_invalid},
    {"a list in a list", last(0, 16), list_of(1, last(0, 16)), 4096, to_host, sc::sgl_type_invalid},
    {"a list of data in the capsule", last(0, 16), list_of(1, inside(0, 16)), 16, from_host, sc::sgl_type_invalid},
    {"a list that asks for invalidation", last(0, 16), list_of(1, host(4096, 0, sgl_subtype::invalidate_key)), 4096,
     to_host, sc::sgl_type_invalid},
    {"a list in host memory", of_type(3, 0, 16), list_of(1, host(4096)), 4096, to_host, sc::sgl_type_invalid},

    {"plain memory", of_type(0, 0), nothing, 4096, to_host, sc::sgl_type_invalid},
    {"a bit bucket", of_type(1, 0), nothing, 4096, to_host, sc::sgl_type_invalid},
    {"a segment", of_type(2, 1, 16), list_of(1, host(4096)), 4096, to_host, sc::sgl_type_invalid},
    {"a transport data block", of_type(5, 0xa), nothing, 4096, to_host, sc::sgl_type_invalid},
    {"a vendor's own", of_type(0xf, 0), nothing, 4096, to_host, sc::sgl_type_invalid},
};

TEST(sgl, rows) {
    for (const row& r : rows) {
        nvme::command c{};
        c.sgl = r.sgl;
        data_location location;
        const status got = parse_sgl(c, r.capsule_data, r.length, r.way, location);
        EXPECT_TRUE(got.is(r.wanted)) << r.sentence << ": " << nvme::to_string(got);
        EXPECT_EQ(got.dnr(), !got.ok()) << r.sentence;
        if (!got.ok())
            continue;
        EXPECT_EQ(location.remote_count, r.remote_count) << r.sentence;
        EXPECT_EQ(location.in_capsule, r.in_capsule) << r.sentence;
        EXPECT_EQ(location.invalidate, r.invalidate) << r.sentence;
        EXPECT_EQ(location.capsule_offset, r.capsule_offset) << r.sentence;
        std::uint32_t total = 0;
        for (unsigned i = 0; i < location.remote_count; ++i) {
            EXPECT_EQ(location.remote[i].key, key) << r.sentence;
            EXPECT_GT(location.remote[i].length, 0u) << r.sentence;
            total += location.remote[i].length;
        }
        EXPECT_EQ(total, location.in_capsule ? 0 : r.length) << r.sentence;
    }
}

TEST(sgl, pieces_of_a_list_keep_their_order_and_the_last_is_cut_to_the_data) {
    std::vector<std::byte> list;
    for (const std::uint32_t length : {1000u, 0u, 2000u, 5000u}) {
        const auto d = host(length, length);
        const auto bytes = std::as_bytes(std::span(&d, 1));
        list.insert(list.end(), bytes.begin(), bytes.end());
    }
    nvme::command c{};
    c.sgl = last(0, 64);
    data_location location;
    ASSERT_TRUE(parse_sgl(c, list, 4096, to_host, location).ok());
    ASSERT_EQ(location.remote_count, 3u);
    EXPECT_EQ(location.remote[0].length, 1000u);
    EXPECT_EQ(location.remote[1].address, base + 2000);
    EXPECT_EQ(location.remote[1].length, 2000u);
    EXPECT_EQ(location.remote[2].length, 1096u);
}

TEST(sgl, nothing_of_a_command_before_is_left) {
    nvme::command c{};
    data_location location;
    c.sgl = host(4096, 0, sgl_subtype::invalidate_key);
    ASSERT_TRUE(parse_sgl(c, nothing, 4096, to_host, location).ok());
    c.sgl = inside(0, 512);
    const auto data = carried(512);
    ASSERT_TRUE(parse_sgl(c, data, 512, from_host, location).ok());
    EXPECT_EQ(location.remote_count, 0u);
    EXPECT_FALSE(location.invalidate);
}

}  // namespace
}  // namespace causeway::rdma
