// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/cm/queue_pair.h"

#include "tests/softrdma/cm/exported.h"

#include <algorithm>
#include <cstring>

namespace softrdma::cm {

namespace {

constexpr std::uint8_t hops = 64;

bool has_peer(state s) {
    return s == state::request_received || s == state::reply_received || s == state::reply_sent ||
           s == state::established;
}

/// This side's limits: what it has asked for as the passive one, and what the other's reply says as the active one.
struct limits {
    std::uint8_t responder;
    std::uint8_t initiator;
};

limits agreed(const id& i) {
    if (i.peer && i.peer->what == kind::reply)
        return {i.peer->initiator_depth, i.peer->responder_resources};
    return {i.responder_resources, i.initiator_depth};
}

void fill_init(const id& i, ibv_qp_attr& a, int& mask) {
    mask = IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS;
    a.pkey_index = 0;
    a.port_num = 1;
    a.qp_access_flags = 0;
    if (i.at < state::request_sent)
        return;
    a.qp_access_flags = IBV_ACCESS_REMOTE_WRITE;
    if (agreed(i).responder != 0)
        a.qp_access_flags |= IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC;
}

void fill_receive(const id& i, ibv_qp_attr& a, int& mask) {
    mask = IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
           IBV_QP_MIN_RNR_TIMER;
    a.ah_attr = {};
    a.ah_attr.is_global = 1;
    std::memcpy(a.ah_attr.grh.dgid.raw, i.peer->gid.data(), i.peer->gid.size());
    a.ah_attr.grh.sgid_index = 0;
    a.ah_attr.grh.hop_limit = hops;
    a.ah_attr.grh.traffic_class = i.tos;
    a.ah_attr.port_num = 1;
    a.path_mtu = IBV_MTU_4096;
    a.dest_qp_num = i.peer->qpn;
    a.rq_psn = i.peer->psn;
    a.max_dest_rd_atomic = agreed(i).responder;
    a.min_rnr_timer = 0;  // the kernel's: an application that wants less than 655 ms says so
}

void fill_send(const id& i, ibv_qp_attr& a, int& mask) {
    mask =
        IBV_QP_STATE | IBV_QP_SQ_PSN | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_MAX_QP_RD_ATOMIC;
    a.sq_psn = i.own.psn;
    a.timeout = i.ack_timeout;
    // The request rules the repeats of both sides, but each says how long it may be kept waiting for a receive.
    a.retry_cnt = i.peer->what == kind::request ? i.peer->retry_count : i.own.retry_count;
    a.rnr_retry = i.peer->rnr_retry_count;
    a.max_rd_atomic = agreed(i).initiator;
}

/// 0 or errno.
int move(id& i, ibv_qp_state to) {
    ibv_qp_attr a{};
    a.qp_state = to;
    int mask = 0;
    if (!fill(i, a, mask))
        return errno;
    const opened_device* const on = devices::open(i.device);
    if (!on)
        return errno;
    a.max_dest_rd_atomic = std::min(a.max_dest_rd_atomic, on->max_responder_resources);
    a.max_rd_atomic = std::min(a.max_rd_atomic, on->max_initiator_depth);
    return ibv_modify_qp(i.qp, &a, mask);
}

bool make_queues(id& i, ibv_cq*& cq, ibv_comp_channel*& events, std::uint32_t size) {
    events = ibv_create_comp_channel(i.verbs);
    cq = events ? ibv_create_cq(i.verbs, static_cast<int>(std::max(size, 1u)), &i, events, 0) : nullptr;
    return cq != nullptr;
}

void free_queues(ibv_cq*& cq, ibv_comp_channel*& events) {
    if (cq)
        ibv_destroy_cq(cq);
    if (events)
        ibv_destroy_comp_channel(events);
    cq = nullptr;
    events = nullptr;
}

void free_all_queues(id& i) {
    free_queues(i.recv_cq, i.recv_cq_channel);
    free_queues(i.send_cq, i.send_cq_channel);
}

}  // namespace

bool fill(id& i, ibv_qp_attr& a, int& mask) {
    locked l = lock_library();
    const bool good =
        a.qp_state == IBV_QPS_INIT ? i.at >= state::bound && i.at != state::listening : i.peer && has_peer(i.at);
    if (!good || i.device < 0) {
        errno = EINVAL;
        return false;
    }
    switch (a.qp_state) {
    case IBV_QPS_INIT: fill_init(i, a, mask); return true;
    case IBV_QPS_RTR: fill_receive(i, a, mask); return true;
    case IBV_QPS_RTS: fill_send(i, a, mask); return true;
    default: errno = EINVAL; return false;
    }
}

bool to_connected(id& i) {
    // INIT once more, because the access flags are known only now.
    for (const ibv_qp_state next : {IBV_QPS_INIT, IBV_QPS_RTR, IBV_QPS_RTS})
        if (const int code = move(i, next); code != 0) {
            errno = code;
            return false;
        }
    return true;
}

void to_error(id& i) {
    if (!i.qp)
        return;
    ibv_qp_attr a{};
    a.qp_state = IBV_QPS_ERR;
    ibv_modify_qp(i.qp, &a, IBV_QP_STATE);
}

}  // namespace softrdma::cm

using namespace softrdma::cm;

extern "C" {

EXPORTED int rdma_create_qp_ex(rdma_cm_id* public_id, ibv_qp_init_attr_ex* a) {
    id& i = of(public_id);
    if (i.qp || !i.verbs)
        return fail(EINVAL);
    if (!(a->comp_mask & IBV_QP_INIT_ATTR_PD) || !a->pd) {
        a->comp_mask |= IBV_QP_INIT_ATTR_PD;
        a->pd = i.pd;
    }
    if (a->pd->context != i.verbs)
        return fail(EINVAL);
    if (!a->srq)
        a->srq = i.srq;
    if ((!a->recv_cq && !i.recv_cq && !make_queues(i, i.recv_cq, i.recv_cq_channel, a->cap.max_recv_wr)) ||
        (!a->send_cq && !i.send_cq && !make_queues(i, i.send_cq, i.send_cq_channel, a->cap.max_send_wr))) {
        const int code = errno;
        free_all_queues(i);
        return fail(code);
    }
    if (!a->recv_cq)
        a->recv_cq = i.recv_cq;
    if (!a->send_cq)
        a->send_cq = i.send_cq;

    ibv_qp* const qp = ibv_create_qp_ex(i.verbs, a);
    int code = qp ? 0 : errno;
    if (qp) {
        i.qp = qp;
        code = move(i, IBV_QPS_INIT);
    }
    if (code != 0) {
        if (qp)
            ibv_destroy_qp(qp);
        i.qp = nullptr;
        if (!i.srq)
            free_all_queues(i);
        return fail(code);
    }
    i.pd = a->pd;
    i.qp_type = a->qp_type;
    return 0;
}

EXPORTED int rdma_create_qp(rdma_cm_id* i, ibv_pd* pd, ibv_qp_init_attr* a) {
    ibv_qp_init_attr_ex x{};
    x.qp_context = a->qp_context;
    x.send_cq = a->send_cq;
    x.recv_cq = a->recv_cq;
    x.srq = a->srq;
    x.cap = a->cap;
    x.qp_type = a->qp_type;
    x.sq_sig_all = a->sq_sig_all;
    x.comp_mask = IBV_QP_INIT_ATTR_PD;
    x.pd = pd;
    const int rc = rdma_create_qp_ex(i, &x);
    a->cap = x.cap;
    return rc;
}

EXPORTED void rdma_destroy_qp(rdma_cm_id* public_id) {
    id& i = of(public_id);
    if (i.qp)
        ibv_destroy_qp(i.qp);
    i.qp = nullptr;
    // Those of a shared receive queue stay as long as it does.
    if (!i.srq)
        free_queues(i.recv_cq, i.recv_cq_channel);
    free_queues(i.send_cq, i.send_cq_channel);
}

EXPORTED int rdma_init_qp_attr(rdma_cm_id* i, ibv_qp_attr* a, int* mask) {
    return fill(of(i), *a, *mask) ? 0 : -1;
}

}  // extern "C"
