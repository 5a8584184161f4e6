// SPDX-License-Identifier: Apache-2.0
#include "transport/rdma/wr_id.h"

#include <gtest/gtest.h>

namespace causeway::rdma {
namespace {

TEST(wr_id, comes_back_as_it_went) {
    for (const work_kind k : {work_kind::data, work_kind::read, work_kind::send})
        for (const unsigned retires : {0u, 1u, 17u, 4095u})
            for (const std::uint32_t index : {0u, 1u, 255u, 65535u})
                for (const unsigned slot_index : {0u, 1u, 65535u})
                    for (const unsigned generation : {0u, 1u, 65535u}) {
                        const wr_id id{k, static_cast<std::uint16_t>(retires), index,
                                       static_cast<std::uint16_t>(slot_index), static_cast<std::uint16_t>(generation)};
                        EXPECT_EQ(wr_id::decode(id.encode()), id);
                    }
}

TEST(wr_id, a_receive_has_room_for_any_slot) {
    const wr_id id{.kind = work_kind::receive, .index = 0xffffffff};
    EXPECT_EQ(wr_id::decode(id.encode()), id);
}

TEST(wr_id, what_we_never_posted_is_none_of_ours) {
    EXPECT_EQ(wr_id::decode(0).kind, work_kind::none);
    EXPECT_EQ(wr_id::decode(~std::uint64_t{0}).kind, work_kind::none);
    EXPECT_EQ(wr_id::decode(0x7fff'1234'5678).kind, work_kind::none) << "a pointer";
}

}  // namespace
}  // namespace causeway::rdma
