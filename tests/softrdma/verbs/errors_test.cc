// SPDX-License-Identifier: Apache-2.0
// Errors as hardware gives them, to both sides.

#include "tests/softrdma/softrdma.h"
#include "tests/softrdma/verbs/test_pair.h"

namespace softrdma::testing {

namespace {

/// What an operation of `a` on `b` must come to.
struct row {
    const char* sentence;
    void (*post)(pair& p);
    ibv_wc_status at_requester;
    std::optional<ibv_wc_status> at_responder;  ///< of its receive
    std::optional<ibv_event_type> event;        ///< its queue pair's
    shape of_a{}, of_b{};
};

void send_8(pair& p) {
    p.a.send(1, {p.a.piece(0, 8)});
}

const row rows[] = {
    {"a key of nobody's, here",
     [](pair& p) {
         auto piece = p.a.piece(0, 8);
         piece.lkey ^= 0x5500;
         p.a.send(1, {piece});
     },
     IBV_WC_LOC_PROT_ERR,
     {},
     {}},
    {"memory behind the region, here",
     [](pair& p) { p.a.send(1, {p.a.piece(65530, 8)}); },
     IBV_WC_LOC_PROT_ERR,
     {},
     {}},
    {"an RDMA READ into memory that may not be written",
     [](pair& p) { p.a.rdma(1, IBV_WR_RDMA_READ, p.a.piece(0, 8), p.b, 0); },
     IBV_WC_LOC_PROT_ERR,
     {},
     {},
     {.region_access = IBV_ACCESS_REMOTE_READ}},
    {"a message longer than its receive",
     [](pair& p) {
         p.b.receive(1, {p.b.piece(0, 4)});
         send_8(p);
     },
     IBV_WC_REM_INV_REQ_ERR,
     IBV_WC_LOC_LEN_ERR,
     {}},
    {"a receive whose key is wrong",
     [](pair& p) {
         auto piece = p.b.piece(0, 8);
         piece.lkey ^= 0x5500;
         p.b.receive(1, {piece});
         send_8(p);
     },
     IBV_WC_REM_OP_ERR,
     IBV_WC_LOC_PROT_ERR,
     {}},
    {"a receive in memory that may not be written",
     [](pair& p) {
         p.b.receive(1, {p.b.piece(0, 8)});
         send_8(p);
     },
     IBV_WC_REM_OP_ERR,
     IBV_WC_LOC_PROT_ERR,
     {},
     {},
     {.region_access = IBV_ACCESS_REMOTE_READ}},
    {"a write across the end of a region",
     [](pair& p) { p.a.rdma(1, IBV_WR_RDMA_WRITE, p.a.piece(0, 8), p.b, 65530); },
     IBV_WC_REM_ACCESS_ERR,
     {},
     IBV_EVENT_QP_ACCESS_ERR},
    {"a write before the beginning of a region",
     [](pair& p) { p.a.rdma(1, IBV_WR_RDMA_WRITE, p.a.piece(0, 8), p.b, ~std::size_t{0}); },
     IBV_WC_REM_ACCESS_ERR,
     {},
     IBV_EVENT_QP_ACCESS_ERR},
    {"a read of a region that may only be written",
     [](pair& p) { p.a.rdma(1, IBV_WR_RDMA_READ, p.a.piece(0, 8), p.b, 0); },
     IBV_WC_REM_ACCESS_ERR,
     {},
     IBV_EVENT_QP_ACCESS_ERR,
     {},
     {.region_access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE}},
    {"a write to a queue pair that allows none",
     [](pair& p) { p.a.rdma(1, IBV_WR_RDMA_WRITE, p.a.piece(0, 8), p.b, 0); },
     IBV_WC_REM_ACCESS_ERR,
     {},
     IBV_EVENT_QP_ACCESS_ERR,
     {},
     {.access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ}},
    {"more RDMA READs at a time than the other side serves",
     [](pair& p) {
         for (std::uint64_t id = 1; id <= 3; ++id)
             p.a.rdma(id, IBV_WR_RDMA_READ, p.a.piece(id * 8, 8), p.b, 0);
         EXPECT_EQ(p.a.next().status, IBV_WC_SUCCESS);
         EXPECT_EQ(p.a.next().status, IBV_WC_SUCCESS);
     },
     IBV_WC_REM_INV_REQ_ERR,
     {},
     IBV_EVENT_QP_REQ_ERR,
     {},
     {.reads_served = 2}},
    {"no receive, and no patience", send_8, IBV_WC_RNR_RETRY_EXC_ERR, {}, {}, {.rnr_retries = 2}},
    {"the other side in error: no answer",
     [](pair& p) {
         p.b.to_error();
         send_8(p);
     },
     IBV_WC_RETRY_EXC_ERR,
     {},
     {}},
};

TEST(errors, end_both_sides_as_hardware_does) {
    for (const row& r : rows) {
        SCOPED_TRACE(r.sentence);
        pair p(r.of_a, r.of_b);
        r.post(p);
        const ibv_wc wc = p.a.next();
        EXPECT_EQ(wc.status, r.at_requester);
        if (r.at_responder) {
            EXPECT_EQ(p.b.next().status, *r.at_responder);
        }
        if (r.event) {
            const ibv_async_event e = p.b.event();
            EXPECT_EQ(e.event_type, *r.event);
            EXPECT_EQ(e.element.qp, p.b.qp);
        }
        p.a.send(9, {p.a.piece(0, 8)});
        EXPECT_EQ(p.a.next().status, IBV_WC_WR_FLUSH_ERR) << "the requester is in error";
        ibv_qp_attr a;
        ibv_qp_init_attr init;
        ASSERT_EQ(ibv_query_qp(p.a.qp, &a, IBV_QP_STATE, &init), 0);
        EXPECT_EQ(a.qp_state, IBV_QPS_ERR);
    }
}

TEST(errors, an_error_flushes_all_posted_work) {
    pair p({.timeout = 18, .retries = 7});
    p.a.receive(10, {p.a.piece(0, 8)});
    p.a.receive(11, {p.a.piece(8, 8)});
    p.b.to_error();
    for (std::uint64_t id = 1; id <= 3; ++id)
        p.a.send(id, {p.a.piece(0, 8)});
    EXPECT_TRUE(p.a.none()) << "it still hopes for an answer";
    p.a.to_error();
    std::vector<std::uint64_t> flushed;
    for (int i = 0; i < 5; ++i) {
        const ibv_wc wc = p.a.next();
        EXPECT_EQ(wc.status, IBV_WC_WR_FLUSH_ERR);
        flushed.push_back(wc.wr_id);
    }
    EXPECT_EQ(flushed, (std::vector<std::uint64_t>{10, 11, 1, 2, 3}));
    p.a.receive(12, {p.a.piece(8, 8)});
    EXPECT_EQ(p.a.next().wr_id, 12u) << "posted to a dead queue";
}

TEST(errors, a_receiver_that_is_not_ready_is_waited_for) {
    pair p({.rnr_retries = 7});
    p.a.write_text(0, "late");
    p.a.send(1, {p.a.piece(0, 4)});
    wait_for([] { return softrdma_recorded("rnr") >= 3; });
    EXPECT_TRUE(p.a.none());
    p.b.receive(1, {p.b.piece(0, 8)});
    EXPECT_EQ(p.a.next().status, IBV_WC_SUCCESS);
    EXPECT_EQ(p.b.next().byte_len, 4u);
    EXPECT_EQ(p.b.text(0, 4), "late");
}

TEST(errors, the_last_receive_of_a_shared_queue_is_announced) {
    pair p({}, {.with_srq = true});
    p.b.receive(1, {p.b.piece(0, 8)});
    p.b.to_error();
    const ibv_async_event e = p.b.event();
    EXPECT_EQ(e.event_type, IBV_EVENT_QP_LAST_WQE_REACHED);
    EXPECT_EQ(e.element.qp, p.b.qp);
    EXPECT_TRUE(p.b.none()) << "what is posted there is others'";
}

TEST(errors, a_shared_queue_says_when_it_runs_low) {
    pair p({}, {.with_srq = true, .srq_limit = 2});
    for (std::uint64_t id = 0; id < 3; ++id)
        p.b.receive(id, {p.b.piece(id * 8, 8)});
    send_8(p);
    EXPECT_EQ(softrdma_recorded("error"), 0u);
    send_8(p);
    const ibv_async_event e = p.b.event();
    EXPECT_EQ(e.event_type, IBV_EVENT_SRQ_LIMIT_REACHED);
    EXPECT_EQ(e.element.srq, p.b.srq);
}

TEST(errors, the_first_message_before_the_last_state_says_communication_established) {
    const auto context = open_device();
    {
        side a(context), b(context);
        a.to_init();
        b.to_init();
        a.to_ready(b.gid(), b.qp->qp_num);
        ibv_qp_attr attr{};
        attr.qp_state = IBV_QPS_RTR;
        attr.path_mtu = IBV_MTU_1024;
        attr.dest_qp_num = a.qp->qp_num;
        attr.ah_attr.is_global = 1;
        attr.ah_attr.grh.dgid = a.gid();
        ASSERT_EQ(ibv_modify_qp(b.qp, &attr,
                                IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
                                    IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER),
                  0);
        b.receive(1, {b.piece(0, 8)});
        a.send(1, {a.piece(0, 8)});
        EXPECT_EQ(b.event().event_type, IBV_EVENT_COMM_EST);
        EXPECT_EQ(b.send(1, {b.piece(0, 8)}), EINVAL) << "not ready to send yet";
    }
    ibv_close_device(context);
}

TEST(errors, states_are_passed_in_order_and_with_all_that_they_need) {
    const auto context = open_device();
    {
        side s(context);
        ibv_qp_attr a{};
        EXPECT_EQ(s.send(1, {s.piece(0, 8)}), EINVAL);
        EXPECT_EQ(s.receive(1, {s.piece(0, 8)}), EINVAL);
        a.qp_state = IBV_QPS_RTS;
        EXPECT_EQ(ibv_modify_qp(s.qp, &a, IBV_QP_STATE), EINVAL);
        a.qp_state = IBV_QPS_INIT;
        EXPECT_EQ(ibv_modify_qp(s.qp, &a, IBV_QP_STATE | IBV_QP_PORT), EINVAL) << "no access flags";
        a.port_num = 2;
        EXPECT_EQ(ibv_modify_qp(s.qp, &a, IBV_QP_STATE | IBV_QP_PORT | IBV_QP_PKEY_INDEX | IBV_QP_ACCESS_FLAGS),
                  EINVAL);
        s.to_init();
        EXPECT_EQ(s.receive(1, {s.piece(0, 8)}), 0);
        EXPECT_EQ(s.receive(1, std::vector<ibv_sge>(5, s.piece(0, 8))), EINVAL);
        EXPECT_EQ(ibv_destroy_cq(s.cq), EBUSY);
        EXPECT_EQ(ibv_dealloc_pd(s.pd), EBUSY);
    }
    ibv_close_device(context);
}

TEST(errors, a_full_receive_queue_takes_no_more) {
    pair p({.receives = 2});
    EXPECT_EQ(p.a.receive(1, {p.a.piece(0, 8)}), 0);
    EXPECT_EQ(p.a.receive(2, {p.a.piece(8, 8)}), 0);
    EXPECT_EQ(p.a.receive(3, {p.a.piece(16, 8)}), ENOMEM);
    p.b.send(1, {p.b.piece(0, 8)});
    EXPECT_EQ(p.a.receive(3, {p.a.piece(16, 8)}), ENOMEM) << "its completion has not been polled";
    p.a.next();
    EXPECT_EQ(p.a.receive(3, {p.a.piece(16, 8)}), 0);
}

TEST(errors, a_port_that_is_down_does_not_answer_and_comes_back) {
    pair p({.timeout = 16, .retries = 7});
    p.b.receive(1, {p.b.piece(0, 8)});
    ASSERT_EQ(softrdma_fault("port 0 down"), nullptr);
    EXPECT_EQ(p.a.event().event_type, IBV_EVENT_PORT_ERR);
    ibv_port_attr port;
    ASSERT_EQ(ibv_query_port(p.a.context, 1, &port), 0);
    EXPECT_EQ(port.state, IBV_PORT_DOWN);
    p.a.send(1, {p.a.piece(0, 8)});
    EXPECT_TRUE(p.a.none());
    ASSERT_EQ(softrdma_fault("port 0 up"), nullptr);
    EXPECT_EQ(p.a.event().event_type, IBV_EVENT_PORT_ACTIVE);
    EXPECT_EQ(p.a.next().status, IBV_WC_SUCCESS);
}

TEST(errors, removing_a_device_ends_everything_on_it) {
    pair p;
    p.b.receive(1, {p.b.piece(0, 8)});
    ASSERT_EQ(softrdma_fault("remove 0"), nullptr);
    EXPECT_EQ(p.b.next().status, IBV_WC_WR_FLUSH_ERR);
    EXPECT_EQ(p.b.event().event_type, IBV_EVENT_DEVICE_FATAL);
    EXPECT_EQ(ibv_alloc_pd(p.a.context), nullptr);
    int n = -1;
    ibv_free_device_list(ibv_get_device_list(&n));
    EXPECT_EQ(n, 0);
    EXPECT_EQ(open_device(), nullptr);
}

}  // namespace

}  // namespace softrdma::testing
