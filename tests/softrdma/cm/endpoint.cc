// SPDX-License-Identifier: Apache-2.0
// Endpoints: an id with all that it takes in one call. Synchronous. And shared receive queues of ids.

#include "tests/softrdma/cm/exported.h"
#include "tests/softrdma/cm/id.h"

#include <algorithm>
#include <rdma/rdma_verbs.h>

using namespace softrdma::cm;

namespace {

constexpr int resolve_timeout_ms = 2000;

/// 0 or -1 with errno.
int prepare(id& i, const rdma_addrinfo& at, ibv_pd* pd, ibv_qp_init_attr* queues) {
    if (at.ai_flags & RAI_PASSIVE) {
        if (rdma_bind_addr(&i, at.ai_src_addr) != 0)
            return -1;
        if (queues) {
            i.for_children = *queues;
            i.for_children->qp_type = static_cast<ibv_qp_type>(at.ai_qp_type);
            i.pd = pd ? pd : i.pd;
        }
        return 0;
    }
    if (rdma_resolve_addr(&i, at.ai_src_addr, at.ai_dst_addr, resolve_timeout_ms) != 0 ||
        rdma_resolve_route(&i, resolve_timeout_ms) != 0)
        return -1;
    if (!queues)
        return 0;
    queues->qp_type = static_cast<ibv_qp_type>(at.ai_qp_type);
    return rdma_create_qp(&i, pd, queues);
}

}  // namespace

extern "C" {

EXPORTED int rdma_create_ep(rdma_cm_id** out, rdma_addrinfo* at, ibv_pd* pd, ibv_qp_init_attr* queues) {
    rdma_cm_id* made;
    if (rdma_create_id(nullptr, &made, nullptr, static_cast<rdma_port_space>(at->ai_port_space)) != 0)
        return -1;
    made->qp_type = static_cast<ibv_qp_type>(at->ai_qp_type);
    if (prepare(of(made), *at, pd, queues) != 0) {
        const int code = errno;
        rdma_destroy_ep(made);
        return fail(code);
    }
    *out = made;
    return 0;
}

EXPORTED void rdma_destroy_ep(rdma_cm_id* i) {
    if (i->qp)
        rdma_destroy_qp(i);
    if (i->srq)
        rdma_destroy_srq(i);
    rdma_destroy_id(i);
}

EXPORTED int rdma_get_request(rdma_cm_id* public_listener, rdma_cm_id** out) {
    id& listener = of(public_listener);
    if (!listener.synchronous)
        return fail(EINVAL);
    if (listener.event) {
        rdma_ack_cm_event(listener.event);
        listener.event = nullptr;
    }
    rdma_cm_event* e;
    if (rdma_get_cm_event(listener.channel, &e) != 0)
        return -1;
    if (e->status != 0 || e->event != RDMA_CM_EVENT_CONNECT_REQUEST) {
        const int code = e->status == 0 ? EINVAL : std::abs(e->status);
        rdma_ack_cm_event(e);
        return fail(code);
    }
    rdma_cm_id* const child = e->id;
    if (listener.for_children) {
        ibv_qp_init_attr queues = *listener.for_children;
        if (rdma_create_qp(child, listener.pd, &queues) != 0) {
            const int code = errno;
            rdma_ack_cm_event(e);
            rdma_destroy_id(child);
            return fail(code);
        }
    }
    child->event = e;
    *out = child;
    return 0;
}

EXPORTED int rdma_create_srq_ex(rdma_cm_id* i, ibv_srq_init_attr_ex* a) {
    if (!i->verbs || i->srq)
        return fail(EINVAL);
    if (!(a->comp_mask & IBV_SRQ_INIT_ATTR_PD) || !a->pd) {
        a->comp_mask |= IBV_SRQ_INIT_ATTR_PD;
        a->pd = i->pd;
    }
    if (a->pd->context != i->verbs)
        return fail(EINVAL);
    ibv_srq* const srq = ibv_create_srq_ex(i->verbs, a);
    if (!srq)
        return -1;
    i->srq = srq;
    i->pd = a->pd;
    return 0;
}

EXPORTED int rdma_create_srq(rdma_cm_id* i, ibv_pd* pd, ibv_srq_init_attr* a) {
    ibv_srq_init_attr_ex x{};
    x.srq_context = a->srq_context;
    x.attr = a->attr;
    x.comp_mask = IBV_SRQ_INIT_ATTR_TYPE | IBV_SRQ_INIT_ATTR_PD;
    x.srq_type = IBV_SRQT_BASIC;
    x.pd = pd;
    const int rc = rdma_create_srq_ex(i, &x);
    a->attr = x.attr;
    return rc;
}

EXPORTED void rdma_destroy_srq(rdma_cm_id* i) {
    if (i->srq)
        ibv_destroy_srq(i->srq);
    i->srq = nullptr;
}

}  // extern "C"
