// SPDX-License-Identifier: Apache-2.0
// What a queue pair is: made, moved from state to state, ended.

#include "tests/softrdma/verbs/queue_pair.h"

#include "tests/softrdma/verbs/completion_queue.h"
#include "tests/softrdma/verbs/process.h"
#include "tests/softrdma/verbs/receive_queue.h"
#include "tests/softrdma/verbs/record.h"
#include "tests/softrdma/verbs/region.h"
#include "tests/softrdma/verbs/srq.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

namespace softrdma {

namespace {

std::atomic<std::uint64_t> made{0};

constexpr int access_bits =
    IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC;

/// What a step of a reliable connection's life must be told, and may be. InfiniBand Architecture 1.4, table 96.
struct transition {
    ibv_qp_state from, to;
    int required, optional;
};

constexpr transition transitions[] = {
    {IBV_QPS_RESET, IBV_QPS_INIT, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS, 0},
    {IBV_QPS_INIT, IBV_QPS_INIT, 0, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS},
    {IBV_QPS_INIT, IBV_QPS_RTR,
     IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER,
     IBV_QP_PKEY_INDEX | IBV_QP_ACCESS_FLAGS | IBV_QP_ALT_PATH},
    {IBV_QPS_RTR, IBV_QPS_RTS,
     IBV_QP_SQ_PSN | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_MAX_QP_RD_ATOMIC,
     IBV_QP_ACCESS_FLAGS | IBV_QP_MIN_RNR_TIMER | IBV_QP_ALT_PATH | IBV_QP_PATH_MIG_STATE},
    {IBV_QPS_RTS, IBV_QPS_RTS, 0, IBV_QP_ACCESS_FLAGS | IBV_QP_MIN_RNR_TIMER | IBV_QP_ALT_PATH | IBV_QP_PATH_MIG_STATE},
};

const transition* find(ibv_qp_state from, ibv_qp_state to) noexcept {
    const auto* end = std::end(transitions);
    const auto* t = std::find_if(transitions, end, [&](const transition& t) { return t.from == from && t.to == to; });
    return t == end ? nullptr : t;
}

}  // namespace

shared_queue_pair& queue_pair::shared() noexcept {
    return process::self().memory().queue_pairs[place_];
}

queue_pair::queue_pair(ibv_pd* pd, const ibv_qp_init_attr& a, std::uint32_t place, std::uint32_t number)
    : ibv_qp_ex{}, slots_(std::bit_ceil(std::max(a.cap.max_send_wr, 1u))), cap_(a.cap), all_signaled_(a.sq_sig_all),
      order_(made++), place_(place) {
    self_ = peer::find(softrdma::context::of(pd->context).on().gid);
    qp_base.context = pd->context;
    qp_base.qp_context = a.qp_context;
    qp_base.pd = pd;
    qp_base.send_cq = a.send_cq;
    qp_base.recv_cq = a.recv_cq;
    qp_base.srq = a.srq;
    qp_base.handle = place;
    qp_base.qp_num = number;
    qp_base.state = IBV_QPS_RESET;
    qp_base.qp_type = a.qp_type;
    pthread_mutex_init(&qp_base.mutex, nullptr);
    pthread_cond_init(&qp_base.cond, nullptr);
    ++protection_domain::of(pd).users;
    ++completion_queue::of(a.send_cq).users;
    ++completion_queue::of(a.recv_cq).users;
    if (a.srq)
        ++srq::of(a.srq).users;
    completion_queue::of(a.send_cq).promise(a.cap.max_send_wr);
    completion_queue::of(a.recv_cq).promise(a.srq ? 0 : a.cap.max_recv_wr);
}

queue_pair::~queue_pair() {
    segment& own = process::self().memory();
    for (std::uint32_t i = retired_; i != posted_; ++i)
        if (!(at(i).wr.send_flags & IBV_SEND_INLINE))
            refer_to(own, {at(i).wr.sg_list, static_cast<std::size_t>(at(i).wr.num_sge)}, -1);
    --protection_domain::of(qp_base.pd).users;
    --completion_queue::of(qp_base.send_cq).users;
    --completion_queue::of(qp_base.recv_cq).users;
    if (qp_base.srq)
        --srq::of(qp_base.srq).users;
}

bool queue_pair::uses(completion_queue& q) noexcept {
    return qp_base.send_cq == &q || qp_base.recv_cq == &q;
}

ibv_qp_state queue_pair::state() noexcept {
    std::lock_guard hold(shared().lock);
    return shared().state;
}

void queue_pair::set_state(ibv_qp_state s) {
    std::lock_guard hold(shared().lock);
    shared().state = s;
}

void queue_pair::raise(ibv_event_type type) {
    softrdma::context::of(qp_base.context).raise(event_about(type, base()));
}

int queue_pair::post_receive(const ibv_recv_wr* wr, const ibv_recv_wr** bad) {
    *bad = wr;
    if (qp_base.srq || state() == IBV_QPS_RESET)
        return EINVAL;
    record::add(record::count::receive_doorbells);
    segment& own = process::self().memory();
    int rc = cap_.max_recv_wr ? 0 : EINVAL;
    for (; wr && rc == 0; wr = wr->next) {
        rc = softrdma::post_receive(shared().receives, own, *wr, protection_domain::of(qp_base.pd).number);
        *bad = wr;
    }
    if (state() == IBV_QPS_ERR)
        flush_receives();
    return rc;
}

void queue_pair::flush_receives() {
    segment& own = process::self().memory();
    shared_receive_queue& q = shared().srq ? own.srqs[shared().srq - 1] : shared().receives;
    {
        std::lock_guard arriving(shared().lock);
        if (const std::uint32_t taken = std::exchange(shared().taken, 0))
            flush_receive(q, taken - 1);  // the sender has died
    }
    if (qp_base.srq)
        return raise(IBV_EVENT_QP_LAST_WQE_REACHED);
    while (const auto slot = q.capacity ? take_receive(q, own) : std::nullopt)
        flush_receive(q, *slot);
}

void queue_pair::flush_receive(shared_receive_queue& q, std::uint32_t slot) {
    segment& own = process::self().memory();
    completion c{};
    c.wc.wr_id = receive_at(q, own, slot).wr_id;
    c.wc.status = IBV_WC_WR_FLUSH_ERR;
    c.wc.opcode = IBV_WC_RECV;
    c.wc.qp_num = number();
    c.position = slot;
    c.receives = own.of(&q);
    complete(*self_, completion_queue::of(qp_base.recv_cq).shared(), c, false);
}

void queue_pair::fail() {
    std::lock_guard hold(mutex_);
    const ibv_qp_state s = state();
    if (s == IBV_QPS_RESET || s == IBV_QPS_ERR)
        return;
    set_state(IBV_QPS_ERR);
    flush_receives();
    flush();
}

void queue_pair::take_attention() {
    const std::uint32_t what = shared().attention.exchange(0);
    if (!what)
        return;
    if (what & established)
        raise(IBV_EVENT_COMM_EST);
    if (what & access_violated)
        raise(IBV_EVENT_QP_ACCESS_ERR);
    if (what & request_violated)
        raise(IBV_EVENT_QP_REQ_ERR);
    if (what & (access_violated | request_violated | work_failed)) {
        std::lock_guard hold(mutex_);
        flush_receives();
        flush();
    }
}

int queue_pair::modify(const ibv_qp_attr& a, int mask) {
    std::lock_guard hold(mutex_);
    const ibv_qp_state from = state();
    if (mask & IBV_QP_CUR_STATE && a.cur_qp_state != from)
        return EINVAL;
    const ibv_qp_state to = mask & IBV_QP_STATE ? a.qp_state : from;
    const int rest = mask & ~(IBV_QP_STATE | IBV_QP_CUR_STATE);
    if (to == IBV_QPS_RESET) {
        reset();
        return 0;
    }
    if (to == IBV_QPS_ERR) {
        if (from == IBV_QPS_ERR)
            return 0;
        set_state(IBV_QPS_ERR);
        qp_base.state = IBV_QPS_ERR;
        if (from != IBV_QPS_RESET)
            flush_receives();
        flush();
        return 0;
    }
    if (on().removed())
        return EIO;
    const transition* t = find(from, to);
    if (!t || (rest & t->required) != t->required || rest & ~(t->required | t->optional))
        return EINVAL;
    if ((mask & IBV_QP_PORT && a.port_num != 1) || (mask & IBV_QP_PKEY_INDEX && a.pkey_index != 0) ||
        (mask & IBV_QP_ACCESS_FLAGS && a.qp_access_flags & ~static_cast<unsigned>(access_bits)) ||
        (mask & IBV_QP_MAX_QP_RD_ATOMIC && a.max_rd_atomic > max_reads) ||
        (mask & IBV_QP_MAX_DEST_RD_ATOMIC && a.max_dest_rd_atomic > max_reads) ||
        (mask & IBV_QP_RETRY_CNT && a.retry_cnt > 7) || (mask & IBV_QP_RNR_RETRY && a.rnr_retry > 7) ||
        (mask & IBV_QP_MIN_RNR_TIMER && a.min_rnr_timer > 31) || (mask & IBV_QP_TIMEOUT && a.timeout > 31))
        return EINVAL;
    if (mask & IBV_QP_AV) {
        if (!a.ah_attr.is_global || a.ah_attr.grh.sgid_index != 0)
            return EINVAL;  // RoCE: there are GIDs and no LIDs
        // Nobody there is no error here: packets will go unanswered.
        peer_ = peer::find(a.ah_attr.grh.dgid);
    }

    const auto set = [&](int bit, auto ibv_qp_attr::*field) {
        if (mask & bit)
            attr_.*field = a.*field;
    };
    set(IBV_QP_PKEY_INDEX, &ibv_qp_attr::pkey_index);
    set(IBV_QP_PORT, &ibv_qp_attr::port_num);
    set(IBV_QP_ACCESS_FLAGS, &ibv_qp_attr::qp_access_flags);
    set(IBV_QP_AV, &ibv_qp_attr::ah_attr);
    set(IBV_QP_PATH_MTU, &ibv_qp_attr::path_mtu);
    set(IBV_QP_DEST_QPN, &ibv_qp_attr::dest_qp_num);
    set(IBV_QP_RQ_PSN, &ibv_qp_attr::rq_psn);
    set(IBV_QP_SQ_PSN, &ibv_qp_attr::sq_psn);
    set(IBV_QP_MAX_DEST_RD_ATOMIC, &ibv_qp_attr::max_dest_rd_atomic);
    set(IBV_QP_MAX_QP_RD_ATOMIC, &ibv_qp_attr::max_rd_atomic);
    set(IBV_QP_MIN_RNR_TIMER, &ibv_qp_attr::min_rnr_timer);
    set(IBV_QP_TIMEOUT, &ibv_qp_attr::timeout);
    set(IBV_QP_RETRY_CNT, &ibv_qp_attr::retry_cnt);
    set(IBV_QP_RNR_RETRY, &ibv_qp_attr::rnr_retry);

    shared_queue_pair& q = shared();
    std::lock_guard arriving(q.lock);
    q.access = attr_.qp_access_flags;
    q.max_reads_served = attr_.max_dest_rd_atomic;
    q.rnr_timer = attr_.min_rnr_timer;
    q.peer = attr_.ah_attr.grh.dgid;
    q.peer_number = attr_.dest_qp_num;
    q.state = to;
    qp_base.state = to;
    return 0;
}

void queue_pair::reset() {
    set_state(IBV_QPS_RESET);
    completion_queue::of(qp_base.send_cq).purge(number());
    completion_queue::of(qp_base.recv_cq).purge(number());
    segment& own = process::self().memory();
    shared_receive_queue& q = shared().receives;
    while (const auto slot = q.capacity ? take_receive(q, own) : std::nullopt)
        free_receive(q, own, *slot);
    if (posted_ != retired_)
        retire(posted_ - 1, IBV_WC_WR_FLUSH_ERR);
    done_ = published_ = posted_;
    shared().heard = false;
    shared().taken = 0;
    qp_base.state = IBV_QPS_RESET;
}

void queue_pair::query(ibv_qp_attr& a, ibv_qp_init_attr& init) {
    std::lock_guard hold(mutex_);
    a = attr_;
    a.qp_state = a.cur_qp_state = qp_base.state = state();
    a.cap = cap_;
    a.path_mig_state = IBV_MIG_MIGRATED;
    init = {.qp_context = qp_base.qp_context,
            .send_cq = qp_base.send_cq,
            .recv_cq = qp_base.recv_cq,
            .srq = qp_base.srq,
            .cap = cap_,
            .qp_type = qp_base.qp_type,
            .sq_sig_all = all_signaled_};
}

}  // namespace softrdma
