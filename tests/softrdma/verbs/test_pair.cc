// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/verbs/test_pair.h"

#include <poll.h>

namespace softrdma::testing {

ibv_context* open_device(int index) {
    int n = 0;
    ibv_device** list = ibv_get_device_list(&n);
    ibv_context* c = index < n ? ibv_open_device(list[index]) : nullptr;
    ibv_free_device_list(list);
    return c;
}

side::side(ibv_context* on, const shape& s) : as(s), context(on), pd(ibv_alloc_pd(on)) {
    channel = ibv_create_comp_channel(on);
    cq = ibv_create_cq(on, static_cast<int>(s.completions), this, channel, 0);
    if (s.with_srq) {
        ibv_srq_init_attr a{.srq_context = this,
                            .attr = {.max_wr = s.receives, .max_sge = 4, .srq_limit = s.srq_limit}};
        srq = ibv_create_srq(pd, &a);
    }
    ibv_qp_init_attr a{};
    a.qp_context = this;
    a.send_cq = a.recv_cq = cq;
    a.srq = srq;
    a.cap = {
        .max_send_wr = s.sends, .max_recv_wr = s.receives, .max_send_sge = 4, .max_recv_sge = 4, .max_inline_data = 64};
    a.qp_type = IBV_QPT_RC;
    a.sq_sig_all = s.all_signaled;
    ibv_qp_init_attr_ex ex{.qp_context = this,
                           .send_cq = cq,
                           .recv_cq = cq,
                           .srq = srq,
                           .cap = a.cap,
                           .qp_type = a.qp_type,
                           .sq_sig_all = a.sq_sig_all,
                           .comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS,
                           .pd = pd,
                           .send_ops_flags = IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_RDMA_WRITE};
    qp = s.extended ? ibv_create_qp_ex(on, &ex) : ibv_create_qp(pd, &a);
    mr = ibv_reg_mr(pd, memory.data(), memory.size(), static_cast<int>(s.region_access));
    EXPECT_TRUE(pd && channel && cq && qp && mr);
}

side::~side() {
    EXPECT_EQ(ibv_destroy_qp(qp), 0);
    if (srq) {
        EXPECT_EQ(ibv_destroy_srq(srq), 0);
    }
    EXPECT_EQ(ibv_destroy_cq(cq), 0);
    EXPECT_EQ(ibv_destroy_comp_channel(channel), 0);
    EXPECT_EQ(ibv_dereg_mr(mr), 0);
    EXPECT_EQ(ibv_dealloc_pd(pd), 0);
}

ibv_gid side::gid() const {
    ibv_gid g{};
    EXPECT_EQ(ibv_query_gid(context, 1, 0, &g), 0);
    return g;
}

void side::to_init() {
    ibv_qp_attr a{};
    a.qp_state = IBV_QPS_INIT;
    a.port_num = 1;
    a.qp_access_flags = as.access;
    ASSERT_EQ(ibv_modify_qp(qp, &a, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS), 0);
}

void side::to_ready(const ibv_gid& gid, std::uint32_t number) {
    ibv_qp_attr a{};
    a.qp_state = IBV_QPS_RTR;
    a.path_mtu = IBV_MTU_4096;
    a.dest_qp_num = number;
    a.max_dest_rd_atomic = as.reads_served;
    a.min_rnr_timer = as.rnr_timer;
    a.ah_attr.is_global = 1;
    a.ah_attr.grh.dgid = gid;
    a.ah_attr.port_num = 1;
    ASSERT_EQ(ibv_modify_qp(qp, &a,
                            IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
                                IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER),
              0);
    a.qp_state = IBV_QPS_RTS;
    a.timeout = as.timeout;
    a.retry_cnt = as.retries;
    a.rnr_retry = as.rnr_retries;
    a.max_rd_atomic = as.reads;
    ASSERT_EQ(ibv_modify_qp(qp, &a,
                            IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
                                IBV_QP_MAX_QP_RD_ATOMIC),
              0);
}

void side::to_error() {
    ibv_qp_attr a{};
    a.qp_state = IBV_QPS_ERR;
    ASSERT_EQ(ibv_modify_qp(qp, &a, IBV_QP_STATE), 0);
}

int side::receive(std::uint64_t id, std::vector<ibv_sge> pieces) {
    ibv_recv_wr wr{.wr_id = id, .sg_list = pieces.data(), .num_sge = static_cast<int>(pieces.size())};
    ibv_recv_wr* bad;
    return srq ? ibv_post_srq_recv(srq, &wr, &bad) : ibv_post_recv(qp, &wr, &bad);
}

int side::send(ibv_send_wr wr, std::vector<ibv_sge> pieces) {
    wr.sg_list = pieces.data();
    wr.num_sge = static_cast<int>(pieces.size());
    ibv_send_wr* bad;
    return ibv_post_send(qp, &wr, &bad);
}

int side::send(std::uint64_t id, std::vector<ibv_sge> pieces, ibv_wr_opcode opcode) {
    ibv_send_wr wr{};
    wr.wr_id = id;
    wr.opcode = opcode;
    return send(wr, std::move(pieces));
}

int side::rdma(std::uint64_t id, ibv_wr_opcode opcode, ibv_sge piece, const side& other, std::size_t at) {
    ibv_send_wr wr{};
    wr.wr_id = id;
    wr.opcode = opcode;
    wr.wr.rdma = {.remote_addr = reinterpret_cast<std::uint64_t>(other.memory.data()) + at, .rkey = other.mr->rkey};
    return send(wr, {piece});
}

ibv_wc side::next() {
    ibv_wc wc{};
    wait_for([&] { return ibv_poll_cq(cq, 1, &wc) == 1; });
    return wc;
}

bool side::none() {
    ibv_wc wc;
    return ibv_poll_cq(cq, 1, &wc) == 0;
}

ibv_async_event side::event() {
    pollfd p{context->async_fd, POLLIN, 0};
    ibv_async_event e{};
    EXPECT_EQ(::poll(&p, 1, 10000), 1) << "no asynchronous event";
    EXPECT_EQ(ibv_get_async_event(context, &e), 0);
    ibv_ack_async_event(&e);
    return e;
}

pair::pair(const shape& of_a, const shape& of_b) : a(context.get(), of_a), b(context.get(), of_b) {
    a.to_init();
    b.to_init();
    a.to_ready(b.gid(), b.qp->qp_num);
    b.to_ready(a.gid(), a.qp->qp_num);
}

}  // namespace softrdma::testing
