// SPDX-License-Identifier: Apache-2.0
#include "nvme/pcie.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>

namespace causeway::nvme {
namespace {

TEST(pcie, doorbells_stand_in_pairs_a_stride_apart) {
    EXPECT_EQ(submission_doorbell(0, 0), 0x1000u);
    EXPECT_EQ(completion_doorbell(0, 0), 0x1004u);
    EXPECT_EQ(submission_doorbell(3, 0), 0x1018u);
    EXPECT_EQ(completion_doorbell(3, 0), 0x101cu);
    EXPECT_EQ(submission_doorbell(3, 4), 0x1000u + 6 * 64);
    EXPECT_EQ(completion_doorbell(65535, 0), 0x1000u + 131071 * 4);
}

TEST(pcie, admin_queue_sizes_are_zero_based) {
    EXPECT_EQ(admin_queue_attributes(32, 64), 0x003f001fu);
    EXPECT_EQ(admin_queue_attributes(4096, 4096), 0x0fff0fffu);
}

TEST(pcie, a_create_io_completion_queue_command_by_hand) {
    unsigned char bytes[64] = {0x05, 0, 0x34, 0x12};
    const unsigned char dwords[] = {0x07, 0x00, 0xff, 0x01,
                                    0x03, 0x00, 0x05, 0x00};  // qid 7, 512 entries; PC, IEN, vector 5
    std::memcpy(bytes + 40, dwords, sizeof dwords);
    const auto sqe = std::bit_cast<command>(bytes);
    const create_cq_view view{sqe};
    EXPECT_EQ(sqe.as_admin(), admin_opcode::create_io_cq);
    EXPECT_EQ(view.qid(), 7);
    EXPECT_EQ(view.entries(), 512u);
    EXPECT_TRUE(view.contiguous());
    EXPECT_TRUE(view.interrupts());
    EXPECT_EQ(view.vector(), 5);
}

TEST(pcie, a_create_io_submission_queue_command_by_hand) {
    unsigned char bytes[64] = {0x01};
    const unsigned char dwords[] = {0x02, 0x00, 0xff, 0xff,
                                    0x01, 0x00, 0x09, 0x00};  // qid 2, 65536 entries; PC, cqid 9
    std::memcpy(bytes + 40, dwords, sizeof dwords);
    const auto sqe = std::bit_cast<command>(bytes);
    const create_sq_view view{sqe};
    EXPECT_EQ(view.qid(), 2);
    EXPECT_EQ(view.entries(), 65536u);
    EXPECT_TRUE(view.contiguous());
    EXPECT_EQ(view.cqid(), 9);
    EXPECT_EQ(delete_queue_view{sqe}.qid(), 2);
}

TEST(pcie, an_async_event_is_read_as_it_is_written) {
    const async_event_view view{async_event_dw0(async_event_type::smart, 2, 0x02)};
    EXPECT_EQ(view.type(), async_event_type::smart);
    EXPECT_EQ(view.information(), 2);
    EXPECT_EQ(view.log_page(), 2);
}

}  // namespace
}  // namespace causeway::nvme
