// SPDX-License-Identifier: Apache-2.0
#include "nvme/status.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace causeway::nvme {
namespace {

TEST(status, default_is_success) {
    EXPECT_TRUE(status{}.ok());
    EXPECT_EQ(status{}, sc::success);
    EXPECT_EQ(status{}.to_word(), 0);
}

struct row {
    const char* what;
    status value;
    std::uint16_t word;  ///< bytes 15:14 of the completion
};

// Base 2.0, "Completion Queue Entry: Status Field": bit 0 P, 8:1 SC, 11:9 SCT, 13:12 CRD, 14 M, 15 DNR.
const row rows[] = {
    {"a code alone", sc::invalid_field, 0x0004},
    {"do not retry", sc::invalid_field.with_dnr(), 0x8004},
    {"more is in the error log", sc::invalid_field.with_more(), 0x4004},
    {"retry after CRDT2", sc::command_interrupted.with_crd(2), 0x2042},
    {"a command specific code", sc::connect_invalid_parameters.with_dnr(), 0x8304},
    {"a media code", sc::compare_failure, 0x050a},
    {"a path code", sc::asymmetric_access_inaccessible, 0x0604},
    {"a vendor's code", {sct::vendor, 0xff}, 0x0ffe},
    {"every bit", status{sct::vendor, 0xff, true}.with_more().with_crd(3), 0xfffe},
};

TEST(status, has_the_layout_of_the_completion) {
    for (const row& r : rows) {
        EXPECT_EQ(r.value.to_word(), r.word) << r.what;
        EXPECT_EQ(r.value.to_word(true), r.word | 1) << r.what;
        EXPECT_EQ(status::from_word(r.word), r.value) << r.what;
        EXPECT_EQ(status::from_word(r.word | 1), r.value) << r.what << ", phase set";
    }
}

TEST(status, parts_read_back) {
    constexpr status s = status{sct::media, 0x86, true}.with_crd(1);
    EXPECT_EQ(s.type(), sct::media);
    EXPECT_EQ(s.code(), 0x86);
    EXPECT_EQ(s.crd(), 1);
    EXPECT_TRUE(s.dnr());
    EXPECT_FALSE(s.more());
    EXPECT_FALSE(s.ok());
    EXPECT_TRUE(s.is(sc::access_denied));
    EXPECT_NE(s, sc::access_denied);
    EXPECT_EQ(s.with_dnr(false).with_crd(0), sc::access_denied);
}

TEST(status, success_with_retry_bits_is_still_success) {
    EXPECT_TRUE(sc::success.with_dnr().ok());
}

TEST(status, a_zero_code_of_another_type_is_not_success) {
    EXPECT_FALSE(sc::internal_path_error.ok());
    EXPECT_FALSE(sc::completion_queue_invalid.ok());
}

// Values as the specifications list them, so that a slip in the list shows.
TEST(status, codes_are_those_of_the_specification) {
    const std::map<std::uint16_t, status> expected = {
        {0x001, sc::invalid_opcode},
        {0x002, sc::invalid_field},
        {0x004, sc::data_transfer_error},
        {0x006, sc::internal_error},
        {0x007, sc::aborted_by_request},
        {0x008, sc::aborted_sq_deletion},
        {0x009, sc::aborted_failed_fused},
        {0x00a, sc::aborted_missing_fused},
        {0x00b, sc::invalid_namespace_or_format},
        {0x00c, sc::command_sequence_error},
        {0x00d, sc::invalid_sgl_segment},
        {0x00e, sc::invalid_sgl_count},
        {0x00f, sc::data_sgl_length_invalid},
        {0x010, sc::metadata_sgl_length_invalid},
        {0x011, sc::sgl_type_invalid},
        {0x016, sc::sgl_offset_invalid},
        {0x018, sc::host_id_inconsistent},
        {0x019, sc::keep_alive_expired},
        {0x01a, sc::keep_alive_invalid},
        {0x01b, sc::aborted_preempt_and_abort},
        {0x020, sc::namespace_is_write_protected},
        {0x021, sc::command_interrupted},
        {0x022, sc::transient_transport_error},
        {0x024, sc::admin_command_media_not_ready},
        {0x080, sc::lba_out_of_range},
        {0x081, sc::capacity_exceeded},
        {0x082, sc::namespace_not_ready},
        {0x083, sc::reservation_conflict},
        {0x101, sc::invalid_queue_identifier},
        {0x103, sc::abort_limit_exceeded},
        {0x105, sc::async_event_limit_exceeded},
        {0x109, sc::invalid_log_page},
        {0x10d, sc::feature_not_saveable},
        {0x10e, sc::feature_not_changeable},
        {0x10f, sc::feature_not_namespace_specific},
        {0x12c, sc::invalid_io_command_set},
        {0x182, sc::write_to_read_only_range},
        {0x183, sc::command_size_limit_exceeded},
        {0x184, sc::connect_invalid_host},
        {0x190, sc::discovery_restart},
        {0x191, sc::auth_required},
        {0x280, sc::write_fault},
        {0x281, sc::unrecovered_read},
        {0x285, sc::compare_failure},
        {0x286, sc::access_denied},
        {0x300, sc::internal_path_error},
        {0x301, sc::asymmetric_access_persistent_loss},
        {0x302, sc::asymmetric_access_inaccessible},
        {0x303, sc::asymmetric_access_transition},
        {0x360, sc::controller_pathing_error},
        {0x370, sc::host_pathing_error},
        {0x371, sc::host_aborted},
    };
    for (const auto& [value, constant] : expected) {
        EXPECT_EQ(constant.value, value) << to_string(constant);
    }
}

// Only codes from 80h on may mean two things, one for I/O commands and one for fabrics commands.
TEST(status, no_two_names_share_a_value_by_mistake) {
    std::set<std::uint16_t> seen;
    std::set<std::string_view> names;
    for (const auto& [value, name] : sc::all) {
        const bool fresh = seen.insert(value.value).second;
        const bool may_repeat = value.type() == sct::command_specific && value.code() >= 0x80;
        EXPECT_TRUE(fresh || may_repeat) << name;
        EXPECT_TRUE(names.insert(name).second) << name;
        EXPECT_FALSE(value.dnr() || value.more() || value.crd()) << name;
    }
}

TEST(status, to_string_names_it) {
    EXPECT_EQ(to_string(sc::success), "success");
    EXPECT_EQ(to_string(sc::invalid_field.with_dnr()), "invalid_field dnr");
    EXPECT_EQ(to_string(sc::command_interrupted.with_crd(1).with_more()), "command_interrupted crd=1 more");
    EXPECT_EQ(to_string(sc::connect_invalid_host), "connect_invalid_host");
    EXPECT_EQ(to_string(sc::connect_controller_busy), "invalid_protection_information|connect_controller_busy");
    EXPECT_EQ(to_string(status{sct::vendor, 0x2a, true}), "vendor/0x2a dnr");
    EXPECT_EQ(to_string(status{sct::generic, 0x7f}), "generic/0x7f");
    EXPECT_EQ(to_string(status{static_cast<sct>(5), 0x01}), "reserved/0x01");
}

}  // namespace
}  // namespace causeway::nvme
