// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/verbs/completion_queue.h"

#include "tests/softrdma/verbs/device.h"
#include "tests/softrdma/verbs/fingerprint.h"
#include "tests/softrdma/verbs/peer.h"
#include "tests/softrdma/verbs/process.h"
#include "tests/softrdma/verbs/queue_pair.h"
#include "tests/softrdma/verbs/receive_queue.h"
#include "tests/softrdma/verbs/record.h"
#include "tests/softrdma/verbs/region.h"

#include <bit>
#include <cerrno>

namespace softrdma {

namespace {

using record::count;

/// A power of two: positions go around.
std::uint32_t ring_size(std::uint32_t capacity) {
    return std::bit_ceil(capacity);
}

completion& entry(shared_completion_queue& q, segment& in, std::uint32_t position) {
    return in.at<completion>(q.ring)[position % ring_size(q.capacity)];
}

/// From here on a receive's buffers belong to the program, which must not have written to them before.
void finish_receive(segment& own, const completion& c) {
    auto& q = *own.at<shared_receive_queue>(c.receives);
    const posted_receive& r = receive_at(q, own, c.position);
    if (c.fingerprint && checks_on() && c.wc.status == IBV_WC_SUCCESS) {
        buffers b(own, {r.sg_list.data(), r.pieces}, r.pd, IBV_ACCESS_LOCAL_WRITE);
        if (b.valid() && fingerprint(b.pieces(c.wc.byte_len)) != c.fingerprint && !shares_buffer(q, own, c.position))
            record::violation("queue pair " + std::to_string(c.wc.qp_num) + ": what arrived in receive " +
                              std::to_string(c.wc.wr_id) + " was changed before its completion was polled");
    }
    if (c.wc.status == IBV_WC_SUCCESS) {
        record::add(count::receives_completed);
        record::add(count::receive_bytes, c.wc.byte_len);
    }
    free_receive(q, own, c.position);
}

void finish(segment& own, const completion& c) {
    if (c.wc.status != IBV_WC_SUCCESS)
        record::add(c.wc.status == IBV_WC_WR_FLUSH_ERR ? count::flushed : count::errors);
    if (c.receives)
        finish_receive(own, c);
    else if (queue_pair* q = process::self().find(c.wc.qp_num))
        q->retire(c.position, c.wc.status);
}

}  // namespace

shared_completion_queue& completion_queue::shared() noexcept {
    return process::self().memory().completion_queues[place];
}

int poll_cq(ibv_cq* cq, int most, ibv_wc* out) {
    shared_completion_queue& q = completion_queue::of(cq).shared();
    record::add(count::polls);
    if (q.head.load(std::memory_order_relaxed) == q.tail.load(std::memory_order_acquire)) {
        record::add(count::empty_polls);
        return 0;
    }
    segment& own = process::self().memory();
    std::lock_guard hold(q.lock);
    std::uint32_t head = q.head.load(std::memory_order_relaxed);
    int n = 0;
    for (; n < most && head != q.tail.load(std::memory_order_relaxed); ++head) {
        const completion& c = entry(q, own, head);
        if (c.wc.qp_num == 0)  // its queue pair has been destroyed
            continue;
        out[n++] = c.wc;
        finish(own, c);
    }
    q.head.store(head, std::memory_order_release);
    record::add(count::completions, static_cast<std::uint64_t>(n));
    return n;
}

int request_notification(ibv_cq* cq, int solicited_only) {
    shared_completion_queue& q = completion_queue::of(cq).shared();
    record::add(count::armed);
    std::lock_guard hold(q.lock);
    if (!solicited_only)
        q.armed = notify::any;
    else if (q.armed == notify::no)
        q.armed = notify::solicited;
    return 0;
}

void complete(peer& at, shared_completion_queue& q, const completion& c, bool solicited) {
    segment& in = at.memory();
    bool wake = false;
    {
        std::lock_guard hold(q.lock);
        const std::uint32_t tail = q.tail.load(std::memory_order_relaxed);
        if (tail - q.head.load(std::memory_order_relaxed) == q.capacity) {
            ++q.overrun;
        } else {
            entry(q, in, tail) = c;
            q.tail.store(tail + 1, std::memory_order_release);
            wake = q.armed == notify::any ||
                   (q.armed == notify::solicited && (solicited || c.wc.status != IBV_WC_SUCCESS));
            if (wake) {
                q.armed = notify::no;
                if (q.channel)
                    ++q.events;
            }
        }
    }
    if (q.overrun.load(std::memory_order_relaxed))
        at.wake_engine();
    if (wake && q.channel)
        at.raise(in.channels[q.channel - 1]);
}

void completion_queue::purge(std::uint32_t number) {
    segment& own = process::self().memory();
    shared_completion_queue& q = shared();
    std::lock_guard hold(q.lock);
    for (std::uint32_t i = q.head.load(std::memory_order_relaxed); i != q.tail.load(std::memory_order_relaxed); ++i) {
        completion& c = entry(q, own, i);
        if (c.wc.qp_num != number)
            continue;
        if (c.receives)
            free_receive(*own.at<shared_receive_queue>(c.receives), own, c.position);
        c.wc.qp_num = 0;
    }
}

void completion_queue::promise(std::uint64_t more) {
    const std::uint64_t before = promised.fetch_add(more);
    if (before <= shared().capacity && before + more > shared().capacity)
        record::add(count::cq_could_overrun);
}

void completion_queue::take_attention() {
    const std::uint32_t lost = shared().overrun.load();
    if (lost == 0 || overrun_reported)
        return;
    overrun_reported = true;
    record::violation("a completion queue of " + std::to_string(shared().capacity) + " is overrun");
    softrdma::context::of(ibv_cq::context).raise(event_about(IBV_EVENT_CQ_ERR, this));
    for (auto& at : process::self().queue_pairs)
        if (queue_pair* q = at.load(); q && q->uses(*this))
            q->fail();
}

}  // namespace softrdma

using namespace softrdma;

extern "C" {

ibv_cq* ibv_create_cq(ibv_context* base, int entries, void* cq_context, ibv_comp_channel* channel, int vector) {
    if (entries < 1 || entries > max_completions || vector < 0 || vector >= base->num_comp_vectors)
        return refuse<ibv_cq*>(EINVAL);
    if (softrdma::context::of(base).on().removed())
        return refuse<ibv_cq*>(EIO);
    process& own = process::self();
    auto made = std::make_unique<completion_queue>();
    const auto taken = own.completion_queue_places.take();
    if (!taken)
        return refuse<ibv_cq*>(ENOMEM);
    const std::uint32_t place = taken->number;
    const offset ring = own.heap().allocate(ring_size(static_cast<std::uint32_t>(entries)) * sizeof(completion));
    if (!ring) {
        own.completion_queue_places.give_back(place);
        return refuse<ibv_cq*>(ENOMEM);
    }
    shared_completion_queue& q = own.memory().completion_queues[place];
    q.lock.init();
    q.head = q.tail = 0;
    q.capacity = static_cast<std::uint32_t>(entries);
    q.ring = ring;
    q.channel = channel ? completion_channel::of(channel).place + 1 : 0;
    q.armed = notify::no;
    q.events = q.overrun = 0;
    made->ibv_cq::context = base;
    made->channel = channel;
    made->cq_context = cq_context;
    made->handle = made->place = place;
    made->cqe = entries;
    pthread_mutex_init(&made->mutex, nullptr);
    pthread_cond_init(&made->cond, nullptr);
    own.completion_queues[place] = made.get();
    if (channel) {
        std::lock_guard counting(completion_channel::of(channel).mutex);
        ++channel->refcnt;
    }
    return made.release();
}

int ibv_destroy_cq(ibv_cq* base) {
    completion_queue& q = completion_queue::of(base);
    if (q.users != 0)
        return EBUSY;
    process& own = process::self();
    {
        std::lock_guard hold(own.acting);
        own.completion_queues[q.place] = nullptr;
    }
    softrdma::context::of(base->context).forget(base);
    pthread_mutex_lock(&base->mutex);
    while (base->comp_events_completed != q.events_handed_out)
        pthread_cond_wait(&base->cond, &base->mutex);
    pthread_mutex_unlock(&base->mutex);
    if (base->channel) {
        std::lock_guard counting(completion_channel::of(base->channel).mutex);
        --base->channel->refcnt;
    }
    own.heap().release(q.shared().ring, ring_size(q.shared().capacity) * sizeof(completion));
    own.completion_queue_places.give_back(q.place);
    delete &q;
    return 0;
}

int ibv_resize_cq(ibv_cq*, int) {
    return EOPNOTSUPP;
}

void ibv_ack_cq_events(ibv_cq* base, unsigned n) {
    pthread_mutex_lock(&base->mutex);
    base->comp_events_completed += n;
    pthread_cond_signal(&base->cond);
    pthread_mutex_unlock(&base->mutex);
}
}
