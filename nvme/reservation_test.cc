// SPDX-License-Identifier: Apache-2.0
#include "nvme/reservation.h"

#include "nvme/testing/golden.h"

#include <gtest/gtest.h>

namespace causeway::nvme {
namespace {

using testing::image;
using testing::sent;

TEST(reservation, command) {
    command c{};
    c.cdw10 = 0xc000060a;  // CPTPL 11b, RTYPE 6, IEKEY, action 2
    const reservation_view v{c};
    EXPECT_EQ(v.register_action(), reservation_register_action::replace_key);
    EXPECT_EQ(v.acquire_action(), reservation_acquire_action::preempt_and_abort);
    EXPECT_TRUE(v.ignore_existing_key());
    EXPECT_EQ(v.type(), reservation_type::exclusive_access_all_registrants);
    EXPECT_EQ(v.ptpl_change(), reservation_ptpl_change::set);
}

TEST(reservation, the_largest_report_does_not_wrap) {
    command c{};
    c.cdw10 = 0xffffffff;
    c.cdw11 = 1;
    EXPECT_EQ(reservation_report_view{c}.length_bytes(), std::uint64_t{1} << 34);
    EXPECT_TRUE(reservation_report_view{c}.extended());
}

TEST(reservation, report) {
    reservation_status_header h{};
    h.gen = 4;
    h.rtype = to_underlying(reservation_type::write_exclusive);
    h.regctl = 0x0102;
    h.ptpls = 1;
    EXPECT_EQ(sent(h), (image<24>{0x04, 0, 0, 0, 0x01, 0x02, 0x01, 0, 0, 0x01}));

    registered_controller r{};
    r.cntlid = 1;
    r.rcsts = rcsts_holds_reservation;
    r.hostid = 2;
    r.rkey = 3;
    EXPECT_EQ(sent(r), (image<24>{0x01, 0, 0x01, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0, 0x03}));

    registered_controller_extended x{};
    x.cntlid = 1;
    x.rcsts = rcsts_holds_reservation;
    x.rkey = 3;
    x.hostid[0] = 2;
    EXPECT_EQ(sent(x), (image<64>{0x01, 0, 0x01, 0, 0, 0, 0, 0, 0x03, 0, 0, 0, 0, 0, 0, 0, 0x02}));
}

}  // namespace
}  // namespace causeway::nvme
