// SPDX-License-Identifier: Apache-2.0
#include "nvme/features.h"

#include "nvme/log_page.h"
#include "nvme/testing/golden.h"

#include <gtest/gtest.h>

namespace causeway::nvme {
namespace {

TEST(features, command) {
    command set{};
    set.cdw10 = 0x8000000f;
    set.cdw11 = 15000;
    EXPECT_EQ(features_view{set}.fid(), fid::keep_alive_timer);
    EXPECT_TRUE(features_view{set}.save());
    EXPECT_EQ(features_view{set}.value(), 15000u);

    command get{};
    get.cdw10 = 0x00000307;
    EXPECT_EQ(features_view{get}.fid(), fid::number_of_queues);
    EXPECT_EQ(features_view{get}.select(), feature_select::capabilities);
    EXPECT_FALSE(features_view{get}.save());
}

TEST(features, number_of_queues_counts_from_zero) {
    EXPECT_EQ(number_of_queues(127, 127), 0x007e007eu);
    EXPECT_EQ(number_of_queues(1, 2), 0x00010000u);
}

TEST(async_event, dw0) {
    EXPECT_EQ(async_event_dw0(notice_event::namespace_attribute_changed, to_underlying(lid::changed_namespace_list)),
              0x00040002u);
    EXPECT_EQ(async_event_dw0(notice_event::ana_change, to_underlying(lid::ana)), 0x000c0302u);
    EXPECT_EQ(async_event_dw0(notice_event::discovery_log_change, to_underlying(lid::discovery)), 0x0070f002u);
    EXPECT_EQ(async_event_dw0(async_event_type::error, to_underlying(error_event::persistent_internal_error),
                              to_underlying(lid::error_information)),
              0x00010300u);
    EXPECT_EQ(async_event_dw0(async_event_type::io_command_set,
                              to_underlying(io_command_set_event::reservation_log_available),
                              to_underlying(lid::reservation_notification)),
              0x00800006u);
}

TEST(host_behavior, bytes) {
    host_behavior_support h{};
    h.acre = 1;
    h.lbafee = 1;
    EXPECT_EQ(testing::byte_at(h, 0), 1);
    EXPECT_EQ(testing::byte_at(h, 1), 0);
    EXPECT_EQ(testing::byte_at(h, 2), 1);
}

}  // namespace
}  // namespace causeway::nvme
