// SPDX-License-Identifier: Apache-2.0
#include "nvme/command.h"

#include "nvme/testing/golden.h"

#include <gtest/gtest.h>

namespace causeway::nvme {
namespace {

using testing::image;
using testing::read;
using testing::sent;

// A read of 8 blocks at LBA 1_0000_0002h of namespace 5, FUA, all checks of protection information, into
// host memory at 7f00_1234_5000h under key cafe_f00dh, which the host wants invalidated.
constexpr image<64> read_capsule = {
    0x02,                                            // opcode
    0x40,                                            // PSDT 01b, FUSE 00b
    0xef, 0xbe,                                      // CID
    0x05, 0x00, 0x00, 0x00,                          // NSID
    0x00, 0x00, 0x00, 0x00,                          // CDW2
    0x00, 0x00, 0x00, 0x00,                          // CDW3
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,  // MPTR
    0x00, 0x50, 0x34, 0x12, 0x00, 0x7f, 0x00, 0x00,  // SGL1: address
    0x00, 0x10, 0x00,                                //       length 4096
    0x0d, 0xf0, 0xfe, 0xca,                          //       key
    0x4f,                                            //       keyed data block, invalidate key
    0x02, 0x00, 0x00, 0x00,                          // CDW10: SLBA, low
    0x01, 0x00, 0x00, 0x00,                          // CDW11: SLBA, high
    0x07, 0x00, 0x00, 0x5c,                          // CDW12: NLB 7, PRINFO 0111b, FUA
    0x00, 0x00, 0x00, 0x00,                          // CDW13
    0x00, 0x00, 0x00, 0x00,                          // CDW14
    0x00, 0x00, 0x00, 0x00,                          // CDW15
};

TEST(command, reads_every_field_of_a_read) {
    const auto c = read<command>(read_capsule);
    EXPECT_EQ(c.as_io(), io_opcode::read);
    EXPECT_EQ(c.fuse(), fuse::normal);
    EXPECT_EQ(c.psdt(), psdt::sgl);
    EXPECT_EQ(c.cid, 0xbeef);
    EXPECT_EQ(c.nsid, 5u);
    EXPECT_EQ(c.mptr, 0u);

    ASSERT_EQ(c.sgl.type(), sgl_type::keyed_data_block);
    EXPECT_EQ(c.sgl.subtype(), sgl_subtype::invalidate_key);
    EXPECT_EQ(c.sgl.as_keyed_data_block().address, 0x7f0012345000u);
    EXPECT_EQ(c.sgl.as_keyed_data_block().length, 4096u);
    EXPECT_EQ(c.sgl.as_keyed_data_block().key, 0xcafef00du);

    const block_command_view io{c};
    EXPECT_EQ(io.slba(), 0x100000002u);
    EXPECT_EQ(io.nlb(), 7);
    EXPECT_EQ(io.blocks(), 8u);
    EXPECT_TRUE(io.fua());
    EXPECT_FALSE(io.limited_retry());
    EXPECT_FALSE(io.deac());
    EXPECT_EQ(io.prinfo(), prinfo_check_guard | prinfo_check_application_tag | prinfo_check_reference_tag);
}

TEST(command, writes_the_same_bytes) {
    command c{};
    c.opcode = to_underlying(io_opcode::read);
    c.flags = to_underlying(psdt::sgl) << 6;
    c.cid = 0xbeef;
    c.nsid = 5;
    c.sgl = sgl_descriptor::keyed_data_block(0x7f0012345000, 4096, 0xcafef00d, sgl_subtype::invalidate_key);
    c.cdw12 = rw_fua | 7u << 26;
    set_block_range(c, 0x100000002, 8);
    EXPECT_EQ(sent(c), read_capsule);
}

TEST(command, the_largest_count_of_blocks_is_65536) {
    command c{};
    set_block_range(c, ~std::uint64_t{0}, 65536);
    EXPECT_EQ(block_command_view{c}.nlb(), 0xffff);
    EXPECT_EQ(block_command_view{c}.blocks(), 65536u);
    EXPECT_EQ(block_command_view{c}.slba(), ~std::uint64_t{0});
    EXPECT_FALSE(block_command_view{c}.fua());
}

TEST(command, flags_hold_fuse_and_psdt) {
    command c{};
    c.flags = 0x81;
    EXPECT_EQ(c.fuse(), fuse::first);
    EXPECT_EQ(c.psdt(), psdt::sgl_metadata_sgl);
    c.flags = 0x42;
    EXPECT_EQ(c.fuse(), fuse::second);
    EXPECT_EQ(c.psdt(), psdt::sgl);
}

TEST(command, write_zeroes_may_deallocate) {
    command c{};
    c.cdw12 = 0x02000000;
    EXPECT_TRUE(block_command_view{c}.deac());
    EXPECT_EQ(c.cdw12, write_zeroes_deac);
}

TEST(command, an_opcode_tells_the_way_of_its_data) {
    EXPECT_EQ(transfer_of(0x00), data_transfer::none);                // flush
    EXPECT_EQ(transfer_of(0x01), data_transfer::host_to_controller);  // write
    EXPECT_EQ(transfer_of(0x02), data_transfer::controller_to_host);  // read
    EXPECT_EQ(transfer_of(0x08), data_transfer::none);                // write zeroes
    EXPECT_EQ(transfer_of(0x09), data_transfer::host_to_controller);  // dataset management
}

TEST(sgl, in_capsule_data_block) {
    constexpr image<16> bytes = {0x00, 0x02, 0, 0,   0, 0, 0, 0,  // offset 512
                                 0x00, 0x10, 0, 0,                // length 4096
                                 0,    0,    0, 0x01};            // data block, offset
    const auto d = read<sgl_descriptor>(bytes);
    EXPECT_TRUE(d.is(sgl_type::data_block, sgl_subtype::offset));
    EXPECT_EQ(d.as_data_block().address, 512u);
    EXPECT_EQ(d.as_data_block().length, 4096u);
    EXPECT_EQ(sent(sgl_descriptor::data_block(512, 4096, sgl_subtype::offset)), bytes);
}

TEST(sgl, last_segment_in_the_capsule) {
    constexpr image<16> bytes = {0,    0, 0, 0,   0, 0, 0, 0,  // offset 0
                                 0x20, 0, 0, 0,                // two descriptors
                                 0,    0, 0, 0x31};            // last segment, offset
    const auto d = read<sgl_descriptor>(bytes);
    EXPECT_TRUE(d.is(sgl_type::last_segment, sgl_subtype::offset));
    EXPECT_EQ(d.as_segment().length, 32u);
    EXPECT_EQ(sent(sgl_descriptor::last_segment(0, 32)), bytes);
}

TEST(sgl, transport_data_block) {
    constexpr image<16> bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x00, 0x10, 0, 0, 0, 0, 0x5a};
    EXPECT_TRUE(read<sgl_descriptor>(bytes).is(sgl_type::transport_data_block, sgl_subtype::transport));
    EXPECT_EQ(sent(sgl_descriptor::transport_data_block(1 << 20)), bytes);
}

TEST(sgl, a_keyed_length_has_24_bits) {
    const auto d = sgl_descriptor::keyed_data_block(0, 0xffffff, 1);
    EXPECT_EQ(d.as_keyed_data_block().length, 0xffffffu);
    EXPECT_EQ(d.as_keyed_data_block().key, 1u);
    EXPECT_EQ(d.identifier, 0x40);
}

TEST(completion, has_the_layout_of_the_specification) {
    constexpr image<16> bytes = {
        0x44, 0x33, 0x22, 0x11,  // DW0
        0x88, 0x77, 0x66, 0x55,  // DW1
        0x10, 0x00,              // SQHD
        0x03, 0x00,              // SQID
        0xef, 0xbe,              // CID
        0x05, 0x80,              // DNR, Invalid Field in Command, phase 1
    };
    const auto read_back = read<completion>(bytes);
    EXPECT_EQ(read_back.result64(), 0x5566778811223344u);
    EXPECT_EQ(read_back.sqhd, 16);
    EXPECT_EQ(read_back.sqid, 3);
    EXPECT_EQ(read_back.cid, 0xbeef);
    EXPECT_EQ(read_back.status(), sc::invalid_field.with_dnr());

    completion c{};
    c.set_result64(0x5566778811223344);
    c.sqhd = 16;
    c.sqid = 3;
    c.cid = 0xbeef;
    c.set_status(sc::invalid_field.with_dnr(), true);
    EXPECT_EQ(sent(c), bytes);
}

TEST(dataset_management, ranges_are_counted_from_zero) {
    command c{};
    c.cdw10 = 255;
    c.cdw11 = 4;
    EXPECT_EQ(dsm_view{c}.ranges(), dsm_max_ranges);
    EXPECT_TRUE(dsm_view{c}.deallocate());
    EXPECT_FALSE(dsm_view{c}.integral_for_read());
    EXPECT_FALSE(dsm_view{c}.integral_for_write());
}

TEST(dataset_management, range) {
    constexpr image<16> bytes = {0, 0, 0, 0, 0x08, 0, 0, 0, 0x00, 0x10, 0, 0, 0, 0, 0, 0x01};
    const auto r = read<dsm_range>(bytes);
    EXPECT_EQ(r.nlb, 8u);
    EXPECT_EQ(r.slba, 0x0100000000001000u);
}

TEST(copy, source_range) {
    constexpr image<32> bytes = {0,    0,    0,    0,    0, 0, 0, 0,  // reserved
                                 0x00, 0x10, 0,    0,    0, 0, 0, 0,  // SLBA
                                 0x07, 0x00,                          // NLB
                                 0,    0,    0,    0,    0, 0,        // reserved
                                 0x04, 0x03, 0x02, 0x01,              // EILBRT
                                 0x06, 0x05, 0x08, 0x07};             // ELBAT, ELBATM
    const auto r = read<copy_range>(bytes);
    EXPECT_EQ(r.slba, 0x1000u);
    EXPECT_EQ(r.nlb, 7);
    EXPECT_EQ(r.eilbrt, 0x01020304u);
    EXPECT_EQ(r.elbat, 0x0506);
    EXPECT_EQ(r.elbatm, 0x0708);

    command c{};
    c.cdw10 = 0x10;
    c.cdw11 = 1;
    c.cdw12 = 0x00000103;
    EXPECT_EQ(copy_view{c}.sdlba(), 0x100000010u);
    EXPECT_EQ(copy_view{c}.ranges(), 4u);
    EXPECT_EQ(copy_view{c}.descriptor_format(), 1);
}

TEST(abort, names_queue_and_command) {
    command c{};
    c.cdw10 = 0x00420003;
    EXPECT_EQ(abort_view{c}.sqid(), 3);
    EXPECT_EQ(abort_view{c}.cid(), 0x42);
}

}  // namespace
}  // namespace causeway::nvme
