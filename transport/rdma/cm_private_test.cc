// SPDX-License-Identifier: Apache-2.0
#include "transport/rdma/cm_private.h"

#include <cstring>
#include <gtest/gtest.h>
#include <vector>

namespace causeway::rdma {
namespace {

using nvme::rdma_cm_status;

/// 32 bytes as the specification's table has them.
std::vector<std::byte> request(std::initializer_list<unsigned> words) {
    std::vector<std::byte> bytes(32);
    std::size_t at = 0;
    for (const unsigned w : words) {
        bytes[at++] = static_cast<std::byte>(w);
        bytes[at++] = static_cast<std::byte>(w >> 8);
    }
    return bytes;
}

struct row {
    const char* sentence;
    std::vector<std::byte> data;
    std::uint8_t reads;
    std::variant<connect_request, rdma_cm_status> wanted;
};

// recfmt, qid, hrqsize, hsqsize, cntlid
const row rows[] = {
    {"a Linux host's admin queue", request({0, 0, 32, 31}), 16, connect_request{0, 32, 16}},
    {"a Linux host's I/O queue", request({0, 3, 128, 127, 7}), 16, connect_request{3, 128, 16}},
    {"as the connection manager pads it",
     [] {
         auto d = request({0, 1, 8, 7, 1});
         d.resize(56);
         return d;
     }(),
     1, connect_request{1, 8, 1}},
    {"the smallest", request({0, 0, 2, 1}), 1, connect_request{0, 2, 1}},
    {"the largest", request({0, 1, 0xffff, 0xffff, 1}), 128, connect_request{1, 0xffff, 128}},
    {"a host that receives less than it sends", request({0, 1, 16, 127, 1}), 16, connect_request{1, 16, 16}},
    {"a host of before CNTLID was there", request({0, 1, 128, 127, 0}), 16, connect_request{1, 128, 16}},
    {"nothing", {}, 16, rdma_cm_status::invalid_private_data_length},
    {"a byte short",
     [] {
         auto d = request({0, 0, 32, 31});
         d.pop_back();
         return d;
     }(),
     16, rdma_cm_status::invalid_private_data_length},
    {"another format", request({1, 0, 32, 31}), 16, rdma_cm_status::invalid_recfmt},
    {"a queue number beyond the options", request({0, 128, 32, 31, 1}), 16, rdma_cm_status::invalid_qid},
    {"no receive queue", request({0, 0, 0, 31}), 16, rdma_cm_status::invalid_hrqsize},
    {"a receive queue of one", request({0, 0, 1, 31}), 16, rdma_cm_status::invalid_hrqsize},
    {"a send queue of one", request({0, 0, 32, 0}), 16, rdma_cm_status::invalid_hsqsize},
    {"a host that serves no reads", request({0, 0, 32, 31}), 0, rdma_cm_status::invalid_ird},
    {"a reserved controller", request({0, 1, 32, 31, 0xfff0}), 16, rdma_cm_status::invalid_cntlid},
    {"the last controller", request({0, 1, 32, 31, 0xffef}), 16, connect_request{1, 32, 16}},
};

TEST(cm_private, rows) {
    const nvmf::transport_options options;
    for (const row& r : rows) {
        const auto got = read_request(r.data, r.reads, options);
        ASSERT_EQ(got.index(), r.wanted.index()) << r.sentence;
        if (const auto* c = std::get_if<connect_request>(&got)) {
            const auto& w = std::get<connect_request>(r.wanted);
            EXPECT_EQ(c->qid, w.qid) << r.sentence;
            EXPECT_EQ(c->depth, w.depth) << r.sentence;
            EXPECT_EQ(c->reads, w.reads) << r.sentence;
        } else {
            EXPECT_EQ(std::get<rdma_cm_status>(got), std::get<rdma_cm_status>(r.wanted)) << r.sentence;
        }
    }
}

}  // namespace
}  // namespace causeway::rdma
