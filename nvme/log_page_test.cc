// SPDX-License-Identifier: Apache-2.0
#include "nvme/log_page.h"

#include "nvme/testing/golden.h"

#include <gtest/gtest.h>

namespace causeway::nvme {
namespace {

using testing::byte_at;
using testing::image;
using testing::read_prefix;
using testing::sent;

TEST(get_log_page, command) {
    command c{};
    c.cdw10 = 0x03ff8170;  // NUMDL 3FFh, RAE, LSP 1, LID 70h
    c.cdw11 = 0x00050000;  // LSI 5, NUMDU 0
    c.cdw12 = 0x00000400;
    c.cdw13 = 0x00000001;
    c.cdw14 = 0x02800003;  // CSI 2, OT, UUID index 3
    const get_log_page_view v{c};
    EXPECT_EQ(v.lid(), lid::discovery);
    EXPECT_EQ(v.lsp(), 1);
    EXPECT_TRUE(v.rae());
    EXPECT_EQ(v.length_bytes(), 4096u);
    EXPECT_EQ(v.lsi(), 5);
    EXPECT_EQ(v.offset(), 0x100000400u);
    EXPECT_TRUE(v.offset_is_index());
    EXPECT_EQ(v.csi(), 2);
    EXPECT_EQ(v.uuid_index(), 3);
}

TEST(get_log_page, the_largest_length_does_not_wrap) {
    command c{};
    c.cdw10 = 0xffff0000;
    c.cdw11 = 0x0000ffff;
    EXPECT_EQ(get_log_page_view{c}.length_bytes(), std::uint64_t{1} << 34);
}

TEST(error_information, entry) {
    error_information_entry e{};
    e.error_count = 3;
    e.sqid = 1;
    e.cid = 0xbeef;
    e.status_word = sc::invalid_field.with_dnr().to_word();
    e.parameter_error_location = parameter_error_location(offsetof(command, cdw12), 5);
    e.lba = 0x1000;
    e.nsid = 2;
    e.trtype = 1;
    image<64> bytes = {
        0x03, 0,    0,    0,    0, 0, 0, 0,  // error count
        0x01, 0x00, 0xef, 0xbe,              // SQID, CID
        0x04, 0x80,                          // status
        0x30, 0x05,                          // byte 48, bit 5
        0x00, 0x10, 0,    0,    0, 0, 0, 0,  // LBA
        0x02, 0,    0,    0,                 // NSID
        0x00, 0x01,                          // vendor, TRTYPE
    };
    EXPECT_EQ(sent(e), bytes);
}

TEST(smart, fields_are_where_the_specification_puts_them) {
    smart_log s{};
    s.critical_warning = critical_warning_read_only;
    s.composite_temperature = 0x0141;
    s.available_spare = 100;
    s.available_spare_threshold = 10;
    s.percentage_used = 1;
    s.data_units_read = {2, 3};
    s.data_units_written = {4, 0};
    s.host_read_commands = {5, 0};
    s.host_write_commands = {6, 0};
    s.power_cycles = {7, 0};
    s.power_on_hours = {8, 0};
    s.unsafe_shutdowns = {9, 0};
    s.media_errors = {10, 0};
    s.error_log_entries = {11, 0};
    s.temperature_sensor[7] = 12;
    EXPECT_EQ(byte_at(s, 0), 0x08);
    EXPECT_EQ(byte_at(s, 1), 0x41);
    EXPECT_EQ(byte_at(s, 2), 0x01);
    EXPECT_EQ(byte_at(s, 3), 100);
    EXPECT_EQ(byte_at(s, 4), 10);
    EXPECT_EQ(byte_at(s, 5), 1);
    EXPECT_EQ(byte_at(s, 32), 2);
    EXPECT_EQ(byte_at(s, 40), 3);
    EXPECT_EQ(byte_at(s, 48), 4);
    EXPECT_EQ(byte_at(s, 64), 5);
    EXPECT_EQ(byte_at(s, 80), 6);
    EXPECT_EQ(byte_at(s, 112), 7);
    EXPECT_EQ(byte_at(s, 128), 8);
    EXPECT_EQ(byte_at(s, 144), 9);
    EXPECT_EQ(byte_at(s, 160), 10);
    EXPECT_EQ(byte_at(s, 176), 11);
    EXPECT_EQ(byte_at(s, 214), 12);
}

TEST(firmware_slot, the_first_revision_is_at_byte_8) {
    firmware_slot_log f{};
    f.afi = 1;
    f.frs[0][0] = 'a';
    f.frs[6][7] = 'z';
    EXPECT_EQ(byte_at(f, 0), 1);
    EXPECT_EQ(byte_at(f, 8), 'a');
    EXPECT_EQ(byte_at(f, 63), 'z');
}

TEST(commands_effects, are_indexed_by_opcode) {
    commands_effects_log log{};
    log.admin[to_underlying(admin_opcode::keep_alive)] = effect_supported;
    log.io[to_underlying(io_opcode::write)] = effect_supported | effect_changes_content;
    log.io[to_underlying(io_opcode::dataset_management)] = effect_exclusive_per_controller;
    EXPECT_EQ(byte_at(log, 0x18 * 4), 0x01);
    EXPECT_EQ(byte_at(log, 1024 + 4), 0x03);
    EXPECT_EQ(byte_at(log, 1024 + 9 * 4 + 2), 0x02);
}

TEST(supported_log_pages, are_indexed_by_lid) {
    supported_log_pages s{};
    s.page[to_underlying(lid::discovery)] = log_page_supported | log_page_index_offset;
    EXPECT_EQ(byte_at(s, 0x70 * 4), 0x03);
}

TEST(ana, header_and_group) {
    ana_log_header h{};
    h.chgcnt = 0x0102;
    h.ngrps = 2;
    EXPECT_EQ(sent(h), (image<16>{0x02, 0x01, 0, 0, 0, 0, 0, 0, 0x02}));

    ana_group_descriptor g{};
    g.grpid = 1;
    g.nnsids = 3;
    g.chgcnt = 5;
    g.state = to_underlying(ana_state::inaccessible);
    EXPECT_EQ(sent(g), (image<32>{0x01, 0, 0, 0, 0x03, 0, 0, 0, 0x05, 0, 0, 0, 0, 0, 0, 0, 0x03}));
}

TEST(reservation_notification, page) {
    constexpr image<16> bytes = {0x01, 0, 0, 0, 0, 0, 0, 0, 0x03, 0x02, 0, 0, 0x07, 0, 0, 0};
    const auto r = read_prefix<reservation_notification_log>(bytes);
    EXPECT_EQ(r.count, 1u);
    EXPECT_EQ(r.type, to_underlying(reservation_notice::reservation_preempted));
    EXPECT_EQ(r.nalp, 2);
    EXPECT_EQ(r.nsid, 7u);
}

}  // namespace
}  // namespace causeway::nvme
