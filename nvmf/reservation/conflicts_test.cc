// SPDX-License-Identifier: Apache-2.0
// NVM Express Base Specification 2.0, "Command Behavior in the Presence of a Reservation": a row for each type, a
// column for each host and group of commands.

#include "nvmf/reservation/conflicts.h"

#include <gtest/gtest.h>

namespace causeway::nvmf::reservation {
namespace {

using op = nvme::io_opcode;

TEST(reservation_conflicts, every_cell) {
    constexpr bool A = false, C = true;  // allowed, conflict
    struct {
        reservation_type type;
        bool other_read, other_write, registrant_read, registrant_write;
    } const rows[] = {
        {reservation_type::none, A, A, A, A},
        {reservation_type::write_exclusive, A, C, A, C},
        {reservation_type::exclusive_access, C, C, C, C},
        {reservation_type::write_exclusive_registrants_only, A, C, A, A},
        {reservation_type::exclusive_access_registrants_only, C, C, A, A},
        {reservation_type::write_exclusive_all_registrants, A, C, A, A},
        {reservation_type::exclusive_access_all_registrants, C, C, A, A},
    };
    for (const auto& r : rows) {
        SCOPED_TRACE(nvme::to_underlying(r.type));
        EXPECT_EQ(conflicts(r.type, role::other, access::read), r.other_read);
        EXPECT_EQ(conflicts(r.type, role::other, access::write), r.other_write);
        EXPECT_EQ(conflicts(r.type, role::registrant, access::read), r.registrant_read);
        EXPECT_EQ(conflicts(r.type, role::registrant, access::write), r.registrant_write);
        EXPECT_FALSE(conflicts(r.type, role::holder, access::read));
        EXPECT_FALSE(conflicts(r.type, role::holder, access::write));
    }
}

TEST(reservation_conflicts, every_command) {
    struct {
        op opcode;
        std::optional<access> group;
    } const rows[] = {
        {op::read, access::read},
        {op::compare, access::read},
        {op::verify, access::read},
        {op::write, access::write},
        {op::write_uncorrectable, access::write},
        {op::write_zeroes, access::write},
        {op::dataset_management, access::write},
        {op::flush, access::write},
        {op::copy, access::write},
        {static_cast<op>(0xc0), access::write},
        {op::reservation_register, std::nullopt},
        {op::reservation_report, std::nullopt},
        {op::reservation_acquire, std::nullopt},
        {op::reservation_release, std::nullopt},
    };
    for (const auto& r : rows)
        EXPECT_EQ(access_of(r.opcode), r.group) << "opcode " << int{nvme::to_underlying(r.opcode)};
}

TEST(reservation_conflicts, of_a_host_follow_from_its_role) {
    constexpr host_id a{1}, b{2}, c{3};
    state s{.type = reservation_type::write_exclusive, .holder = a, .registrants = {{a, 1}, {b, 2}}};
    EXPECT_EQ(role_of(s, a), role::holder);
    EXPECT_EQ(role_of(s, b), role::registrant);
    EXPECT_EQ(role_of(s, c), role::other);
    EXPECT_TRUE(conflicts(s, b, access::write));
    EXPECT_FALSE(conflicts(s, b, access::read));

    s.type = reservation_type::exclusive_access_all_registrants;
    s.holder = {};
    EXPECT_EQ(role_of(s, b), role::holder);
    EXPECT_TRUE(conflicts(s, c, access::read));
}

}  // namespace
}  // namespace causeway::nvmf::reservation
