// SPDX-License-Identifier: Apache-2.0
// The verbs of queue pairs.

#include "tests/softrdma/verbs/completion_queue.h"
#include "tests/softrdma/verbs/operations.h"
#include "tests/softrdma/verbs/process.h"
#include "tests/softrdma/verbs/queue_pair.h"
#include "tests/softrdma/verbs/receive_queue.h"
#include "tests/softrdma/verbs/region.h"

#include <cerrno>
#include <cstring>
#include <utility>

namespace softrdma {

namespace {

constexpr std::uint64_t send_operations =
    IBV_QP_EX_WITH_RDMA_WRITE | IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM | IBV_QP_EX_WITH_SEND |
    IBV_QP_EX_WITH_SEND_WITH_IMM | IBV_QP_EX_WITH_RDMA_READ | IBV_QP_EX_WITH_SEND_WITH_INV | IBV_QP_EX_WITH_LOCAL_INV;

int check(const ibv_qp_init_attr& a) {
    if (a.qp_type != IBV_QPT_RC)
        return EOPNOTSUPP;
    const ibv_qp_cap& c = a.cap;
    if (!a.send_cq || !a.recv_cq || c.max_send_wr > max_work_requests || c.max_recv_wr > max_work_requests ||
        c.max_send_sge > max_sge || c.max_recv_sge > max_sge || c.max_inline_data > max_inline)
        return EINVAL;
    return 0;
}

queue_pair* create(ibv_pd* pd, ibv_qp_init_attr& a) {
    if (const int rc = check(a))
        return refuse<queue_pair*>(rc);
    if (softrdma::context::of(pd->context).on().removed())
        return refuse<queue_pair*>(EIO);
    a.cap.max_send_sge = std::max(a.cap.max_send_sge, 1u);
    a.cap.max_inline_data = max_inline;  // as hardware, which has its own idea of a work request's size
    if (a.srq)
        a.cap.max_recv_wr = a.cap.max_recv_sge = 0;
    process& own = process::self();
    const auto taken = own.queue_pair_places.take();
    if (!taken)
        return refuse<queue_pair*>(ENOMEM);
    const std::uint32_t place = taken->number;
    const std::uint32_t number = place + max_queue_pairs * (taken->times % (1u << 11));
    shared_queue_pair& q = own.memory().queue_pairs[place];
    if (taken->times == 0)  // once only: a peer with a stale number may hold it later
        q.lock.init();
    {
        std::lock_guard arriving(q.lock);
        if (!make_receives(q.receives, own.heap(), a.cap.max_recv_wr, std::max(a.cap.max_recv_sge, 1u))) {
            own.queue_pair_places.give_back(place);
            return refuse<queue_pair*>(ENOMEM);
        }
        q.state = IBV_QPS_RESET;
        q.device = softrdma::context::of(pd->context).on().index;
        q.pd = protection_domain::of(pd).number;
        q.receive_cq = completion_queue::of(a.recv_cq).place;
        q.srq = a.srq ? a.srq->handle + 1 : 0;
        q.heard = false;
        q.taken = 0;
        q.attention = 0;
        q.number = number;
    }
    auto* made = new queue_pair(pd, a, place, number);
    own.queue_pairs[place] = made;
    return made;
}

}  // namespace

ibv_qp* create_qp_ex(ibv_context*, ibv_qp_init_attr_ex* ex) {
    constexpr std::uint32_t known =
        IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_CREATE_FLAGS | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
    const bool with_operations = ex->comp_mask & IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
    if (!(ex->comp_mask & IBV_QP_INIT_ATTR_PD) || ex->comp_mask & ~known ||
        (ex->comp_mask & IBV_QP_INIT_ATTR_CREATE_FLAGS && ex->create_flags) ||
        (with_operations && ex->send_ops_flags & ~send_operations))
        return refuse<ibv_qp*>(EOPNOTSUPP);
    ibv_qp_init_attr a{.qp_context = ex->qp_context,
                       .send_cq = ex->send_cq,
                       .recv_cq = ex->recv_cq,
                       .srq = ex->srq,
                       .cap = ex->cap,
                       .qp_type = ex->qp_type,
                       .sq_sig_all = ex->sq_sig_all};
    queue_pair* q = create(ex->pd, a);
    if (!q)
        return nullptr;
    ex->cap = a.cap;
    if (with_operations) {
        set_extended_operations(*q);
        q->extended = true;
    }
    return q->base();
}

}  // namespace softrdma

using namespace softrdma;

extern "C" {

ibv_qp* ibv_create_qp(ibv_pd* pd, ibv_qp_init_attr* a) {
    queue_pair* q = create(pd, *a);
    return q ? q->base() : nullptr;
}

int ibv_destroy_qp(ibv_qp* qp) {
    queue_pair& q = queue_pair::of(qp);
    process& own = process::self();
    shared_queue_pair& shared = own.memory().queue_pairs[qp->handle];
    {
        std::lock_guard hold(own.acting);
        own.queue_pairs[qp->handle] = nullptr;
        std::lock_guard arriving(shared.lock);
        shared.number = 0;
        shared.state = IBV_QPS_RESET;
        if (const std::uint32_t taken = std::exchange(shared.taken, 0))  // the sender has died
            free_receive(shared.srq ? own.memory().srqs[shared.srq - 1] : shared.receives, own.memory(), taken - 1);
    }
    completion_queue::of(qp->send_cq).purge(qp->qp_num);
    completion_queue::of(qp->recv_cq).purge(qp->qp_num);
    softrdma::context::of(qp->context).forget(qp);
    destroy_receives(shared.receives, own.heap());
    own.queue_pair_places.give_back(qp->handle);
    delete &q;
    return 0;
}

int ibv_modify_qp(ibv_qp* qp, ibv_qp_attr* a, int mask) {
    return queue_pair::of(qp).modify(*a, mask);
}

int ibv_query_qp(ibv_qp* qp, ibv_qp_attr* a, int, ibv_qp_init_attr* init) {
    queue_pair::of(qp).query(*a, *init);
    return 0;
}

ibv_qp_ex* ibv_qp_to_qp_ex(ibv_qp* qp) {
    queue_pair& q = queue_pair::of(qp);
    return q.extended ? &q : nullptr;
}
}
