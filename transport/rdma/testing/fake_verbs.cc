// SPDX-License-Identifier: Apache-2.0
// libibverbs, as far as the transport uses it, over test::fabric.

#include "transport/rdma/testing/fabric.h"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

using namespace causeway::rdma::test;

namespace {

int poll_cq(ibv_cq* cq, int most, ibv_wc* out) {
    auto& q = *static_cast<fake_cq*>(cq);
    if (const unsigned limit = fabric::current().options.completions_per_poll)
        most = std::min(most, static_cast<int>(limit));
    int n = 0;
    for (; n < most && !q.entries.empty(); ++n) {
        out[n] = q.entries.front().wc;
        for (fake_qp* qp : fabric::current().qps)
            if (qp->qp_num == out[n].qp_num)
                qp->retired = std::max(qp->retired, q.entries.front().retires);
        q.entries.pop_front();
    }
    return n;
}

int req_notify_cq(ibv_cq* cq, int) {
    static_cast<fake_cq*>(cq)->notify = true;
    return 0;
}

int post_srq_recv(ibv_srq* srq, ibv_recv_wr* wr, ibv_recv_wr** bad) {
    auto& q = *static_cast<fake_srq*>(srq);
    for (; wr; wr = wr->next) {
        if (q.posted.size() >= q.capacity) {
            ADD_FAILURE() << "the shared receive queue overruns";
            *bad = wr;
            return ENOMEM;
        }
        EXPECT_EQ(wr->num_sge, 1);
        EXPECT_TRUE(fabric::current().memory_is_registered(wr->sg_list->addr, wr->sg_list->length, wr->sg_list->lkey));
        for (const auto& p : q.posted)
            EXPECT_NE(p.wr_id, wr->wr_id) << "a receive is posted twice";
        q.pieces[wr->wr_id] = *wr->sg_list;
        q.posted.push_back(*wr);
    }
    fabric::current().wake();
    return 0;
}

int post_send(ibv_qp* qp, ibv_send_wr* wr, ibv_send_wr** bad) {
    auto& q = *static_cast<fake_qp*>(qp);
    static unsigned calls = 0;
    const unsigned refuses = fabric::current().options.refuses_posts;
    bool refuse = refuses && ++calls % refuses == 0;
    if (q.host && std::exchange(q.host->next_post_is_refused, false))
        refuse = true;
    for (; wr; wr = wr->next) {
        if (refuse && wr->send_flags & IBV_SEND_SIGNALED) {
            *bad = wr;
            return ENOMEM;
        }
        if (q.posted - q.retired >= q.capacity) {
            ADD_FAILURE() << "the send queue overruns";
            *bad = wr;
            return ENOMEM;
        }
        fake_qp::work w{*wr, *wr->sg_list, {}, ++q.posted};
        if (wr->send_flags & IBV_SEND_INLINE) {
            EXPECT_TRUE(fabric::current().options.inlines);
            const auto* from = reinterpret_cast<const std::byte*>(wr->sg_list->addr);
            w.inlined.assign(from, from + wr->sg_list->length);
        }
        if (wr->opcode == IBV_WR_RDMA_READ) {
            ++q.reads_posted;
            EXPECT_LE(q.reads_posted, q.reads_allowed) << "more RDMA READs than agreed on";
        }
        q.works.push_back(std::move(w));
    }
    fabric::current().wake();
    return 0;
}

}  // namespace

extern "C" {

int ibv_query_device(ibv_context*, ibv_device_attr* a) {
    *a = fabric::current().options.attributes;
    return 0;
}

const char* ibv_get_device_name(ibv_device* d) {
    return d->name;
}

ibv_pd* ibv_alloc_pd(ibv_context* c) {
    if (fabric::current().gone()) {
        errno = EIO;
        return nullptr;
    }
    c->ops.poll_cq = poll_cq;
    c->ops.req_notify_cq = req_notify_cq;
    c->ops.post_srq_recv = post_srq_recv;
    c->ops.post_send = post_send;
    ++fabric::current().objects["pd"];
    auto* pd = new ibv_pd{};
    pd->context = c;
    return pd;
}

int ibv_dealloc_pd(ibv_pd* pd) {
    EXPECT_EQ(fabric::current().objects["mr"] + fabric::current().objects["qp"] + fabric::current().objects["srq"], 0)
        << "a protection domain in use";
    --fabric::current().objects["pd"];
    delete pd;
    return 0;
}

ibv_mr*(ibv_reg_mr)(ibv_pd* pd, void* addr, size_t length, int) {
    if (!fabric::current().options.registers_memory) {
        errno = ENOMEM;
        return nullptr;
    }
    auto* mr = new ibv_mr{};
    mr->context = pd->context;
    mr->pd = pd;
    mr->addr = addr;
    mr->length = length;
    mr->lkey = mr->rkey = fabric::current().next_key++;
    fabric::current().regions[mr->lkey] = mr;
    ++fabric::current().objects["mr"];
    return mr;
}

ibv_mr* ibv_reg_mr_iova2(ibv_pd* pd, void* addr, size_t length, uint64_t, unsigned access) {
    return (ibv_reg_mr)(pd, addr, length, static_cast<int>(access));
}

int ibv_dereg_mr(ibv_mr* mr) {
    fabric::current().regions.erase(mr->lkey);
    --fabric::current().objects["mr"];
    delete mr;
    return 0;
}

ibv_comp_channel* ibv_create_comp_channel(ibv_context* c) {
    ++fabric::current().objects["channel"];
    return new ibv_comp_channel{c, ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), 0};
}

int ibv_destroy_comp_channel(ibv_comp_channel* c) {
    --fabric::current().objects["channel"];
    ::close(c->fd);
    delete c;
    return 0;
}

ibv_cq* ibv_create_cq(ibv_context* c, int cqe, void*, ibv_comp_channel* channel, int vector) {
    EXPECT_LT(vector, c->num_comp_vectors);
    ++fabric::current().objects["cq"];
    auto* cq = new fake_cq;
    cq->context = c;
    cq->channel = channel;
    cq->cqe = cqe;
    return cq;
}

int ibv_resize_cq(ibv_cq* cq, int cqe) {
    if (!fabric::current().options.resizes_queues)
        return EOPNOTSUPP;
    EXPECT_LE(cqe, fabric::current().options.attributes.max_cqe);
    cq->cqe = cqe;
    return 0;
}

int ibv_destroy_cq(ibv_cq* cq) {
    for (const fake_qp* q : fabric::current().qps)
        EXPECT_NE(q->completions, cq) << "a completion queue in use";
    --fabric::current().objects["cq"];
    delete static_cast<fake_cq*>(cq);
    return 0;
}

int ibv_get_cq_event(ibv_comp_channel*, ibv_cq**, void**) {
    errno = EAGAIN;
    return -1;
}

void ibv_ack_cq_events(ibv_cq*, unsigned) {}

ibv_srq* ibv_create_srq(ibv_pd* pd, ibv_srq_init_attr* a) {
    ++fabric::current().objects["srq"];
    auto* srq = new fake_srq;
    srq->context = pd->context;
    srq->pd = pd;
    srq->capacity = a->attr.max_wr;
    fabric::current().srqs.insert(srq);
    return srq;
}

int ibv_destroy_srq(ibv_srq* srq) {
    for (const fake_qp* q : fabric::current().qps)
        EXPECT_NE(q->receives, srq) << "a shared receive queue in use";
    --fabric::current().objects["srq"];
    fabric::current().srqs.erase(static_cast<fake_srq*>(srq));
    delete static_cast<fake_srq*>(srq);
    return 0;
}

int ibv_modify_qp(ibv_qp* qp, ibv_qp_attr* a, int mask) {
    if (mask & IBV_QP_STATE && a->qp_state == IBV_QPS_ERR) {
        auto& q = *static_cast<fake_qp*>(qp);
        fabric::current().to_error(q);
        if (!std::exchange(q.last_receive_said, true))
            fabric::current().push_async(IBV_EVENT_QP_LAST_WQE_REACHED, qp);
    }
    return 0;
}

int ibv_get_async_event(ibv_context* c, ibv_async_event* e) {
    if (fabric::current().async_events.empty()) {
        std::uint64_t ignored;
        [[maybe_unused]] auto n = ::read(c->async_fd, &ignored, sizeof ignored);
        errno = EAGAIN;
        return -1;
    }
    *e = fabric::current().async_events.front();
    fabric::current().async_events.pop_front();
    return 0;
}

void ibv_ack_async_event(ibv_async_event*) {}

const char* ibv_wc_status_str(ibv_wc_status) {
    return "a work completion status";
}

const char* ibv_event_type_str(ibv_event_type) {
    return "an asynchronous event";
}

}  // extern "C"
