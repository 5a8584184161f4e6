// SPDX-License-Identifier: Apache-2.0
// What arrives where, and in what order, within one process.

#include "tests/softrdma/softrdma.h"
#include "tests/softrdma/verbs/test_pair.h"

#include <arpa/inet.h>
#include <poll.h>

namespace softrdma::testing {

namespace {

TEST(data_path, a_send_arrives_in_the_oldest_receive_cut_to_its_pieces) {
    pair p;
    ASSERT_EQ(p.b.receive(1, {p.b.piece(0, 3), p.b.piece(100, 5), p.b.piece(200, 10)}), 0);
    ASSERT_EQ(p.b.receive(2, {p.b.piece(300, 10)}), 0);
    p.a.write_text(0, "one two ");
    p.a.write_text(50, "three");
    ASSERT_EQ(p.a.send(7, {p.a.piece(0, 8), p.a.piece(50, 5)}), 0);

    const ibv_wc sent = p.a.next();
    EXPECT_EQ(sent.status, IBV_WC_SUCCESS);
    EXPECT_EQ(sent.wr_id, 7u);
    EXPECT_EQ(sent.opcode, IBV_WC_SEND);
    EXPECT_EQ(sent.qp_num, p.a.qp->qp_num);
    const ibv_wc received = p.b.next();
    EXPECT_EQ(received.wr_id, 1u);
    EXPECT_EQ(received.opcode, IBV_WC_RECV);
    EXPECT_EQ(received.byte_len, 13u);
    EXPECT_EQ(received.qp_num, p.b.qp->qp_num);
    EXPECT_EQ(received.src_qp, p.a.qp->qp_num);
    EXPECT_EQ(p.b.text(0, 3) + p.b.text(100, 5) + p.b.text(200, 5), "one two three");
    EXPECT_TRUE(p.b.none());
}

TEST(data_path, immediate_data_comes_with_a_send_and_with_a_write) {
    pair p;
    p.b.receive(1, {p.b.piece(0, 16)});
    p.b.receive(2, {});
    ibv_send_wr wr{};
    wr.opcode = IBV_WR_SEND_WITH_IMM;
    wr.imm_data = htonl(0x01020304);
    ASSERT_EQ(p.a.send(wr, {p.a.piece(0, 4)}), 0);
    wr.opcode = IBV_WR_RDMA_WRITE_WITH_IMM;
    wr.wr.rdma = {.remote_addr = reinterpret_cast<std::uint64_t>(p.b.data(4096)), .rkey = p.b.mr->rkey};
    p.a.write_text(64, "written");
    ASSERT_EQ(p.a.send(wr, {p.a.piece(64, 7)}), 0);

    ibv_wc wc = p.b.next();
    EXPECT_EQ(wc.opcode, IBV_WC_RECV);
    EXPECT_TRUE(wc.wc_flags & IBV_WC_WITH_IMM);
    EXPECT_EQ(wc.imm_data, htonl(0x01020304));
    wc = p.b.next();
    EXPECT_EQ(wc.opcode, IBV_WC_RECV_RDMA_WITH_IMM);
    EXPECT_EQ(wc.wr_id, 2u);
    EXPECT_EQ(wc.byte_len, 7u);
    EXPECT_EQ(p.b.text(4096, 7), "written");
}

TEST(data_path, inline_data_is_the_callers_again_when_posting_returns) {
    pair p;
    p.b.receive(1, {p.b.piece(0, 64)});
    char text[] = "inline";
    ibv_send_wr wr{};
    wr.opcode = IBV_WR_SEND;
    wr.send_flags = IBV_SEND_INLINE;
    ASSERT_EQ(p.a.send(wr, {{reinterpret_cast<std::uint64_t>(text), 6, 0}}), 0);
    std::strcpy(text, "gone");
    EXPECT_EQ(p.b.next().status, IBV_WC_SUCCESS);
    EXPECT_EQ(p.b.text(0, 6), "inline");
    EXPECT_EQ(softrdma_recorded("violations"), 0u);
}

TEST(data_path, reads_and_writes_move_data_without_the_other_side) {
    pair p;
    p.b.write_text(1000, "to be read");
    ASSERT_EQ(p.a.rdma(1, IBV_WR_RDMA_READ, p.a.piece(0, 10), p.b, 1000), 0);
    const ibv_wc read = p.a.next();
    EXPECT_EQ(read.opcode, IBV_WC_RDMA_READ);
    EXPECT_EQ(read.byte_len, 10u);
    EXPECT_EQ(p.a.text(0, 10), "to be read");
    p.a.write_text(100, "to be written");
    ASSERT_EQ(p.a.rdma(2, IBV_WR_RDMA_WRITE, p.a.piece(100, 13), p.b, 2000), 0);
    EXPECT_EQ(p.a.next().opcode, IBV_WC_RDMA_WRITE);
    EXPECT_EQ(p.b.text(2000, 13), "to be written");
    EXPECT_TRUE(p.b.none());
}

TEST(data_path, only_signaled_work_completes_and_takes_the_rest_with_it) {
    pair p({.sends = 4, .all_signaled = false});
    for (int i = 0; i < 8; ++i)
        p.b.receive(1, {p.b.piece(static_cast<std::size_t>(i) * 64, 64)});
    ibv_send_wr wr{};
    wr.opcode = IBV_WR_SEND;
    for (int round = 0; round < 2; ++round) {
        for (std::uint64_t id = 0; id < 4; ++id) {
            wr.wr_id = id;
            wr.send_flags = id == 3 ? IBV_SEND_SIGNALED : 0;
            ASSERT_EQ(p.a.send(wr, {p.a.piece(0, 8)}), 0);
        }
        EXPECT_EQ(p.a.send(wr, {p.a.piece(0, 8)}), ENOMEM) << "four slots, none polled";
        EXPECT_EQ(p.a.next().wr_id, 3u);
        EXPECT_TRUE(p.a.none());
    }
}

TEST(data_path, a_chain_stops_at_the_first_bad_work_request) {
    pair p;
    p.b.receive(1, {p.b.piece(0, 8)});
    ibv_sge piece = p.a.piece(0, 8);
    std::array<ibv_send_wr, 3> wr{};
    for (std::size_t i = 0; i < wr.size(); ++i)
        wr[i] = {
            .wr_id = i, .next = i < 2 ? &wr[i + 1] : nullptr, .sg_list = &piece, .num_sge = 1, .opcode = IBV_WR_SEND};
    wr[1].num_sge = 5;
    ibv_send_wr* bad = nullptr;
    EXPECT_EQ(ibv_post_send(p.a.qp, wr.data(), &bad), EINVAL);
    EXPECT_EQ(bad, &wr[1]);
    EXPECT_EQ(p.a.next().wr_id, 0u);
    EXPECT_TRUE(p.a.none());
}

TEST(data_path, everything_arrives_in_order) {
    pair p({.sends = 64, .receives = 64});
    std::uint32_t sent = 0;
    for (std::uint32_t received = 0; received < 10000;) {
        for (; sent < received + 64; ++sent) {
            const std::size_t at = sent % 64 * 8;
            ASSERT_EQ(p.b.receive(sent, {p.b.piece(at, 8)}), 0);
            std::memcpy(p.a.data(at), &sent, sizeof sent);
            ASSERT_EQ(p.a.send(sent, {p.a.piece(at, 8)}), 0);
            ASSERT_EQ(p.a.next().wr_id, sent);
        }
        const ibv_wc wc = p.b.next();
        std::uint32_t content;
        std::memcpy(&content, p.b.data(received % 64 * 8), sizeof content);
        ASSERT_EQ(wc.wr_id, received);
        ASSERT_EQ(content, received);
        ++received;
    }
    EXPECT_EQ(softrdma_recorded("violations"), 0u);
}

TEST(data_path, an_invalidated_key_is_refused_to_remote_peers) {
    pair p;
    p.a.receive(1, {p.a.piece(0, 16)});
    ibv_send_wr wr{};
    wr.opcode = IBV_WR_SEND_WITH_INV;
    wr.invalidate_rkey = p.a.mr->rkey;
    ASSERT_EQ(p.b.send(wr, {p.b.piece(0, 4)}), 0);
    const ibv_wc wc = p.a.next();
    EXPECT_TRUE(wc.wc_flags & IBV_WC_WITH_INV);
    EXPECT_EQ(wc.invalidated_rkey, p.a.mr->rkey);
    EXPECT_EQ(p.b.next().status, IBV_WC_SUCCESS);
    p.b.rdma(2, IBV_WR_RDMA_WRITE, p.b.piece(0, 4), p.a, 0);
    EXPECT_EQ(p.b.next().status, IBV_WC_REM_ACCESS_ERR);
}

TEST(data_path, built_work_requests_do_the_same_as_posted_ones) {
    pair p({.extended = true});
    p.b.receive(1, {p.b.piece(0, 8), p.b.piece(100, 8)});
    ibv_qp_ex* qp = ibv_qp_to_qp_ex(p.a.qp);
    ASSERT_NE(qp, nullptr);
    p.a.write_text(0, "by list");
    char text[] = "inline";
    ibv_wr_start(qp);
    qp->wr_id = 5;
    qp->wr_flags = 0;
    ibv_wr_rdma_write(qp, p.b.mr->rkey, reinterpret_cast<std::uint64_t>(p.b.data(1000)));
    const std::array list = {p.a.piece(0, 3), p.a.piece(3, 4)};
    ibv_wr_set_sge_list(qp, list.size(), list.data());
    qp->wr_id = 6;
    ibv_wr_send(qp);
    ibv_wr_set_inline_data(qp, text, 6);
    std::strcpy(text, "gone");
    ASSERT_EQ(ibv_wr_complete(qp), 0);
    EXPECT_EQ(p.a.next().wr_id, 5u);
    EXPECT_EQ(p.a.next().wr_id, 6u);
    EXPECT_EQ(p.b.text(1000, 7), "by list");
    EXPECT_EQ(p.b.next().byte_len, 6u);
    EXPECT_EQ(p.b.text(0, 6), "inline");
    ibv_wr_start(qp);
    ibv_wr_send(qp);
    ibv_wr_abort(qp);
    EXPECT_TRUE(p.a.none());
}

TEST(events, a_channel_wakes_once_for_each_time_it_is_armed) {
    pair p;
    p.b.receive(1, {p.b.piece(0, 8)});
    p.b.receive(2, {p.b.piece(8, 8)});
    pollfd fd{p.b.channel->fd, POLLIN, 0};
    ASSERT_EQ(ibv_req_notify_cq(p.b.cq, 0), 0);
    EXPECT_EQ(::poll(&fd, 1, 0), 0);
    p.a.send(1, {p.a.piece(0, 8)});
    p.a.send(2, {p.a.piece(0, 8)});
    ASSERT_EQ(::poll(&fd, 1, 10000), 1);
    ibv_cq* cq = nullptr;
    void* with = nullptr;
    ASSERT_EQ(ibv_get_cq_event(p.b.channel, &cq, &with), 0);
    EXPECT_EQ(cq, p.b.cq);
    EXPECT_EQ(with, &p.b);
    EXPECT_EQ(::poll(&fd, 1, 0), 0) << "two completions, armed once";
    ibv_ack_cq_events(cq, 1);
    EXPECT_EQ(p.b.next().wr_id, 1u);
    EXPECT_EQ(p.b.next().wr_id, 2u);
}

TEST(events, a_queue_armed_for_solicited_events_reports_those_and_errors) {
    pair p;
    p.b.receive(1, {p.b.piece(0, 8)});
    p.b.receive(2, {p.b.piece(8, 8)});
    p.b.receive(3, {p.b.piece(16, 8)});
    pollfd fd{p.b.channel->fd, POLLIN, 0};
    ibv_req_notify_cq(p.b.cq, 1);
    p.a.send(1, {p.a.piece(0, 8)});
    EXPECT_EQ(::poll(&fd, 1, 0), 0);
    ibv_send_wr wr{};
    wr.opcode = IBV_WR_SEND;
    wr.send_flags = IBV_SEND_SOLICITED;
    p.a.send(wr, {p.a.piece(0, 8)});
    ASSERT_EQ(::poll(&fd, 1, 0), 1);
    ibv_cq* cq;
    void* with;
    ibv_get_cq_event(p.b.channel, &cq, &with);
    ibv_ack_cq_events(cq, 1);
    ibv_req_notify_cq(p.b.cq, 1);
    p.b.to_error();
    EXPECT_EQ(::poll(&fd, 1, 0), 1) << "a receive was flushed";
}

}  // namespace

}  // namespace softrdma::testing
