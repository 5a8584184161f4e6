// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/verbs/srq.h"

#include "tests/softrdma/verbs/device.h"
#include "tests/softrdma/verbs/process.h"
#include "tests/softrdma/verbs/receive_queue.h"
#include "tests/softrdma/verbs/record.h"
#include "tests/softrdma/verbs/region.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <mutex>

namespace softrdma {

shared_receive_queue& srq::shared() noexcept {
    return process::self().memory().srqs[place];
}

void srq::take_attention() {
    if (shared().attention.exchange(0))
        softrdma::context::of(ibv_srq::context).raise(event_about(IBV_EVENT_SRQ_LIMIT_REACHED, this));
}

int post_srq_receive(ibv_srq* base, ibv_recv_wr* wr, ibv_recv_wr** bad) {
    srq& s = srq::of(base);
    segment& own = process::self().memory();
    const std::uint32_t pd = protection_domain::of(base->pd).number;
    record::add(record::count::receive_doorbells);
    for (; wr; wr = wr->next) {
        if (const int rc = post_receive(s.shared(), own, *wr, pd)) {
            *bad = wr;
            return rc;
        }
    }
    return 0;
}

}  // namespace softrdma

using namespace softrdma;

extern "C" {

ibv_srq* ibv_create_srq(ibv_pd* pd, ibv_srq_init_attr* a) {
    if (a->attr.max_wr < 1 || a->attr.max_wr > max_work_requests || a->attr.max_sge > max_sge)
        return refuse<ibv_srq*>(EINVAL);
    if (softrdma::context::of(pd->context).on().removed())
        return refuse<ibv_srq*>(EIO);
    process& own = process::self();
    auto made = std::make_unique<srq>();
    const auto taken = own.srq_places.take();
    if (!taken)
        return refuse<ibv_srq*>(ENOMEM);
    const std::uint32_t place = taken->number;
    if (!make_receives(own.memory().srqs[place], own.heap(), a->attr.max_wr, std::max(a->attr.max_sge, 1u))) {
        own.srq_places.give_back(place);
        return refuse<ibv_srq*>(ENOMEM);
    }
    made->ibv_srq::context = pd->context;
    made->srq_context = a->srq_context;
    made->pd = pd;
    made->handle = made->place = place;
    pthread_mutex_init(&made->mutex, nullptr);
    pthread_cond_init(&made->cond, nullptr);
    ++protection_domain::of(pd).users;
    own.memory().srqs[place].limit = a->attr.srq_limit;
    own.srqs[place] = made.get();
    return made.release();
}

int ibv_destroy_srq(ibv_srq* base) {
    srq& s = srq::of(base);
    if (s.users != 0)
        return EBUSY;
    process& own = process::self();
    {
        std::lock_guard hold(own.acting);
        own.srqs[s.place] = nullptr;
    }
    softrdma::context::of(base->context).forget(base);
    destroy_receives(s.shared(), own.heap());
    --protection_domain::of(base->pd).users;
    own.srq_places.give_back(s.place);
    delete &s;
    return 0;
}

int ibv_modify_srq(ibv_srq* base, ibv_srq_attr* a, int mask) {
    if (mask & ~IBV_SRQ_LIMIT)
        return EINVAL;  // the size is what it is
    shared_receive_queue& q = srq::of(base).shared();
    std::lock_guard hold(q.lock);
    if (mask & IBV_SRQ_LIMIT) {
        if (a->srq_limit > q.capacity)
            return EINVAL;
        q.limit = a->srq_limit;
        if (q.posted < q.limit) {  // it is below already
            q.limit = 0;
            q.attention = 1;
            process::self().memory().attention = 1;
            process::self().work().wake();
        }
    }
    return 0;
}

int ibv_query_srq(ibv_srq* base, ibv_srq_attr* a) {
    shared_receive_queue& q = srq::of(base).shared();
    std::lock_guard hold(q.lock);
    *a = {.max_wr = q.capacity, .max_sge = q.max_pieces, .srq_limit = q.limit};
    return 0;
}
}
