// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/identity.h"

#include "nvme/properties.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace causeway::bdev_nvme {
namespace {

using bdev::op;
using ::testing::HasSubstr;

constexpr std::uint32_t version = nvme::version(1, 4);

nvme::identify_controller plain_controller() {
    nvme::identify_controller id{};
    id.sqes = 0x66;
    id.cqes = 0x44;
    id.nn = 1u;
    return id;
}

nvme::identify_namespace plain_namespace(std::uint8_t lbads = 12) {
    nvme::identify_namespace id{};
    id.nsze = id.ncap = 1000u;
    id.lbaf[0].lbads = lbads;
    return id;
}

controller_info facts_of(const nvme::identify_controller& id) {
    return *read_controller(id, version, "here");
}

core::result<namespace_info> read(const nvme::identify_namespace& id,
                                  const controller_info& c = facts_of(plain_controller()),
                                  const std::byte* descriptors = nullptr) {
    return read_namespace(1, id, descriptors, c, read_limits(c, nullptr), "here");
}

TEST(identity, invalid_identify_data_is_refused) {
    struct row {
        const char* sentence;
        void (*change)(nvme::identify_controller&);
    };
    const row rows[] = {
        {"nothing was written", [](auto& id) { id = {}; }},
        {"ones were written", [](auto& id) { std::memset(&id, 0xff, sizeof id); }},
        {"submission entries of 128 bytes at least", [](auto& id) { id.sqes = 0x77; }},
        {"completion entries of 8 bytes at most", [](auto& id) { id.cqes = 0x33; }},
        {"no namespace, ever", [](auto& id) { id.nn = 0u; }},
    };
    for (const row& r : rows) {
        auto id = plain_controller();
        r.change(id);
        EXPECT_EQ(read_controller(id, version, "here").error().code, EIO) << r.sentence;
    }
}

TEST(identity, the_largest_transfer_is_the_smaller_limit_of_both_sides) {
    auto id = plain_controller();
    for (const auto& [mdts, bytes] : {std::pair<std::uint8_t, std::uint32_t>{0, max_command_bytes},
                                      {1, 8192},
                                      {5, 131072},
                                      {9, max_command_bytes},
                                      {52, max_command_bytes},
                                      {255, max_command_bytes}}) {
        id.mdts = mdts;
        EXPECT_EQ(facts_of(id).max_bytes, bytes) << unsigned{mdts};
    }
}

TEST(identity, formats_that_hosts_cannot_have_are_refused_with_the_reason) {
    for (const std::uint8_t lbads : {0, 8, 13, 16, 63, 64, 255})
        EXPECT_THAT(read(plain_namespace(lbads)).error().text(), HasSubstr("512 to 4096")) << unsigned{lbads};
    for (const std::uint8_t lbads : {9, 12})
        EXPECT_TRUE(read(plain_namespace(lbads)));
    auto id = plain_namespace();
    id.nsze = 0u;
    EXPECT_EQ(read(id).error().code, ENOENT);
}

TEST(identity, the_format_in_use_has_six_bits_where_there_are_so_many) {
    auto id = plain_namespace();
    id.nlbaf = 40;
    id.flbas = 0x45;  // bits 6:5 are 2, bits 3:0 are 5: format 37
    id.lbaf[37].lbads = 9;
    EXPECT_EQ(read(id)->geometry.block_size, 512u);
    id.nlbaf = 15;
    id.lbaf[5].lbads = 12;
    EXPECT_EQ(read(id)->geometry.block_size, 4096u);
}

TEST(identity, metadata_is_refused_unless_the_controller_handles_it) {
    struct row {
        const char* sentence;
        std::uint16_t bytes;
        std::uint8_t dps;
        bool served;
        std::uint8_t prinfo;
    };
    const row rows[] = {
        {"none", 0, 0, true, 0},
        {"metadata without meaning", 8, 0, false, 0},
        {"protection information of type 1", 8, 1, true, 0xd},
        {"of type 2, first in the metadata", 8, 2 | 8, true, 0xd},
        {"of type 3, whose reference tag is the host's", 8, 3, true, 0xc},
        {"of a type that does not exist", 8, 5, false, 0},
        {"within more metadata", 16, 1, false, 0},
    };
    for (const row& r : rows) {
        auto id = plain_namespace();
        id.lbaf[0].ms = r.bytes;
        id.dps = r.dps;
        const auto f = read(id);
        EXPECT_EQ(f.has_value(), r.served) << r.sentence;
        if (f)
            EXPECT_EQ(f->target.prinfo, r.prinfo) << r.sentence;
        else
            EXPECT_EQ(f.error().code, ENOTSUP) << r.sentence;
    }
}

TEST(identity, capabilities_are_those_of_the_controller) {
    auto c = plain_controller();
    auto id = plain_namespace();
    EXPECT_EQ(read(id, facts_of(c))->capabilities.ops, bdev::ops({op::read, op::write}));
    c.oncs = nvme::oncs_compare | nvme::oncs_dataset_management | nvme::oncs_write_zeroes | nvme::oncs_verify |
             nvme::oncs_copy;
    c.vwc = nvme::vwc_present;
    EXPECT_EQ(read(id, facts_of(c))->capabilities.ops,
              bdev::ops({op::read, op::write, op::flush, op::compare, op::unmap, op::write_zeroes, op::verify}));
    c.fuses = nvme::fuses_compare_and_write;
    c.cdfs = 1;
    id.mssrl = 8;
    id.mcl = 64u;
    id.msrc = 255;
    const auto f = *read(id, facts_of(c));
    EXPECT_TRUE(f.capabilities.supports(op::compare_and_write));
    EXPECT_TRUE(f.capabilities.supports(op::copy));
    EXPECT_EQ(f.geometry.copy_sources, 128u) << "as many as a page has room for";
    id.nsattr = nvme::nsattr_write_protected;
    EXPECT_TRUE(read(id)->capabilities.read_only);
}

TEST(identity, a_namespace_is_known_by_its_uuid_or_its_nguid_or_its_name) {
    auto id = plain_namespace();
    std::array<std::byte, nvme::identify_bytes> descriptors{};
    const auto named = read(id, facts_of(plain_controller()), descriptors.data())->id;
    EXPECT_EQ(named, read(id)->id) << "the same every time";
    std::memset(id.nguid, 7, sizeof id.nguid);
    EXPECT_EQ(read(id, facts_of(plain_controller()), descriptors.data())->id[3], 7);
    const unsigned char list[] = {1, 8, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 3, 16, 0, 0,
                                  9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,  9, 9};
    std::memcpy(descriptors.data(), list, sizeof list);
    EXPECT_EQ(read(id, facts_of(plain_controller()), descriptors.data())->id[3], 9);
}

TEST(identity, descriptors_that_run_over_their_end_are_not_read) {
    auto id = plain_namespace();
    std::array<std::byte, nvme::identify_bytes> descriptors;
    descriptors.fill(std::byte{0xff});
    EXPECT_EQ(read(id, facts_of(plain_controller()), descriptors.data())->id, read(id)->id);
    descriptors.fill(std::byte{3});  // each three bytes long: no UUID, to the very end
    EXPECT_EQ(read(id, facts_of(plain_controller()), descriptors.data())->id, read(id)->id);
}

TEST(identity, limits_of_single_commands) {
    auto c = plain_controller();
    c.mdts = 5;
    const auto info = facts_of(c);
    const auto id = plain_namespace(9);
    EXPECT_EQ(read(id, info)->target.max_blocks, 256u);
    EXPECT_EQ(read(id, info)->target.max_zeroes_blocks, 256u) << "an old controller says nothing more";
    nvme::identify_controller_nvm nvm{};
    nvm.vsl = 3;
    nvm.dmrsl = 77u;
    const auto f = *read_namespace(1, id, nullptr, info, read_limits(info, &nvm), "here");
    EXPECT_EQ(f.target.max_zeroes_blocks, 65536u);
    EXPECT_EQ(f.target.max_verify_blocks, 64u);
    EXPECT_EQ(f.target.max_unmap_blocks, 77u);
    nvm.dmsl = 50u;
    EXPECT_EQ(read_limits(info, &nvm).max_unmap_blocks, 50u) << "of all ranges together";
}

}  // namespace
}  // namespace causeway::bdev_nvme
