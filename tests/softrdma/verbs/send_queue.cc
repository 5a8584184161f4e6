// SPDX-License-Identifier: Apache-2.0
// What a queue pair sends: accepted, checked, carried out in order, completed, retired.

#include "tests/softrdma/verbs/completion_queue.h"
#include "tests/softrdma/verbs/fingerprint.h"
#include "tests/softrdma/verbs/process.h"
#include "tests/softrdma/verbs/queue_pair.h"
#include "tests/softrdma/verbs/record.h"
#include "tests/softrdma/verbs/region.h"
#include "tests/softrdma/verbs/timing.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace softrdma {

namespace {

using record::count;

constexpr unsigned for_ever = 7;  // of rnr_retry. IBTA 1.4, 9.7.5.2.8

bool is_read(const ibv_send_wr& wr) noexcept {
    return wr.opcode == IBV_WR_RDMA_READ;
}

ibv_wc_opcode completion_opcode(ibv_wr_opcode o) noexcept {
    switch (o) {
    case IBV_WR_RDMA_WRITE:
    case IBV_WR_RDMA_WRITE_WITH_IMM: return IBV_WC_RDMA_WRITE;
    case IBV_WR_RDMA_READ: return IBV_WC_RDMA_READ;
    case IBV_WR_LOCAL_INV: return IBV_WC_LOCAL_INV;
    default: return IBV_WC_SEND;
    }
}

std::span<const ibv_sge> pieces_of(const ibv_send_wr& wr) noexcept {
    return {wr.sg_list, static_cast<std::size_t>(wr.num_sge)};
}

/// Whether the caller's work request is still what was copied of it.
bool as_posted(const ibv_send_wr& now, const ibv_send_wr& copy) noexcept {
    return now.wr_id == copy.wr_id && now.opcode == copy.opcode && now.send_flags == copy.send_flags &&
           now.num_sge == copy.num_sge && now.wr.rdma.remote_addr == copy.wr.rdma.remote_addr &&
           now.wr.rdma.rkey == copy.wr.rdma.rkey && now.imm_data == copy.imm_data &&
           std::ranges::equal(pieces_of(now), pieces_of(copy), [](const ibv_sge& a, const ibv_sge& b) {
               return a.addr == b.addr && a.length == b.length && a.lkey == b.lkey;
           });
}

void count_done(const ibv_send_wr& wr, std::uint64_t bytes) {
    switch (completion_opcode(wr.opcode)) {
    case IBV_WC_RDMA_WRITE:
        record::add(count::writes);
        record::add(count::write_bytes, bytes);
        break;
    case IBV_WC_RDMA_READ:
        record::add(count::reads);
        record::add(count::read_bytes, bytes);
        break;
    default:
        record::add(count::sends);
        record::add(count::send_bytes, bytes);
        if (wr.opcode == IBV_WR_SEND_WITH_INV)
            record::add(count::sends_with_invalidate);
    }
}

}  // namespace

int queue_pair::post_send(const ibv_send_wr* wr, const ibv_send_wr** bad) {
    std::lock_guard hold(mutex_);
    const ibv_qp_state s = state();
    int rc = s == IBV_QPS_RTS || s == IBV_QPS_SQD || s == IBV_QPS_SQE || s == IBV_QPS_ERR ? 0 : EINVAL;
    record::add(count::send_doorbells);
    const std::uint32_t first = posted_;
    const ibv_send_wr* next = wr;
    for (; next && rc == 0; next = next->next) {
        rc = check(*next);
        if (rc != 0)
            break;
        accept(*next);
    }
    *bad = next;
    const std::uint32_t end = posted_;
    if (s == IBV_QPS_ERR)
        flush();
    else
        run();
    if (checks_on())
        for (std::uint32_t i = first; i != end; ++i, wr = wr->next)
            if (!as_posted(*wr, at(i).wr))
                record::violation("queue pair " + std::to_string(number()) + ": work request " +
                                  std::to_string(at(i).wr.wr_id) + " was changed while it was being posted");
    return rc;
}

int queue_pair::check(const ibv_send_wr& wr) const noexcept {
    switch (wr.opcode) {
    case IBV_WR_SEND:
    case IBV_WR_SEND_WITH_IMM:
    case IBV_WR_SEND_WITH_INV:
    case IBV_WR_RDMA_WRITE:
    case IBV_WR_RDMA_WRITE_WITH_IMM:
    case IBV_WR_LOCAL_INV: break;
    case IBV_WR_RDMA_READ:
        if (wr.send_flags & IBV_SEND_INLINE || attr_.max_rd_atomic == 0)
            return EINVAL;
        break;
    default: return EINVAL;
    }
    if (wr.num_sge < 0 || static_cast<std::uint32_t>(wr.num_sge) > cap_.max_send_sge)
        return EINVAL;
    if (wr.send_flags & IBV_SEND_INLINE) {
        std::uint64_t length = 0;
        for (const ibv_sge& p : pieces_of(wr))
            length += p.length;
        if (length > cap_.max_inline_data)
            return EINVAL;
    }
    if (posted_ - retired_.load(std::memory_order_acquire) >= cap_.max_send_wr) {
        record::add(count::queue_full);
        return ENOMEM;
    }
    return 0;
}

/// Verbs give a work request and its list back when posting returns: both are copied.
void queue_pair::accept(const ibv_send_wr& wr) {
    slot& s = at(posted_);
    s.wr = wr;
    s.wr.next = nullptr;
    std::copy_n(wr.sg_list, wr.num_sge, s.sg_list.begin());
    s.wr.sg_list = s.sg_list.data();
    s.attempts = s.not_ready = 0;
    s.status = IBV_WC_SUCCESS;
    s.fate = {};
    s.not_before = s.completes = {};
    s.fingerprint = 0;
    s.inline_data.clear();
    if (wr.send_flags & IBV_SEND_INLINE) {
        for (const ibv_sge& p : pieces_of(wr)) {
            const auto* data = reinterpret_cast<const std::byte*>(p.addr);
            s.inline_data.insert(s.inline_data.end(), data, data + p.length);
        }
    } else {
        segment& own = process::self().memory();
        refer_to(own, pieces_of(s.wr), 1);
        if (checks_on() && !is_read(wr)) {
            const buffers b(own, pieces_of(s.wr), protection_domain::of(qp_base.pd).number, 0);
            s.fingerprint = b.valid() ? fingerprint(b.pieces()) : 0;
        }
    }
    if (faults::any()) {
        s.fate = faults::draw(lot_, order_);
        if (s.fate.delay.count())
            s.not_before = clock::now() + s.fate.delay;
    }
    if (is_read(wr))
        ++reads_posted_;
    ++posted_;
}

/// Carries out what can be, in order, until something has to wait.
void queue_pair::run() {
    while (done_ != posted_ && state() == IBV_QPS_RTS) {
        slot& s = at(done_);
        if (!step(s))
            break;
        ++done_;
        if (s.fate.late.count())
            s.completes = clock::now() + s.fate.late;
        if (s.status != IBV_WC_SUCCESS) {
            set_state(IBV_QPS_ERR);
            flush_receives();
        }
    }
    if (state() == IBV_QPS_ERR)
        return flush();
    publish();
}

/// One attempt at one work request. False: it has to wait, and a timer runs.
bool queue_pair::step(slot& s) {
    if (s.not_before != clock::time_point{} && clock::now() < s.not_before) {
        wait_until(s.not_before);
        return false;
    }
    segment& own = process::self().memory();
    const std::uint32_t pd = protection_domain::of(qp_base.pd).number;
    if (s.wr.opcode == IBV_WR_LOCAL_INV) {
        if (!invalidate(own, s.wr.invalidate_rkey, pd))
            s.status = IBV_WC_LOC_QP_OP_ERR;
        return true;
    }
    const bool is_inline = s.wr.send_flags & IBV_SEND_INLINE;
    const buffers local(own, is_inline ? std::span<const ibv_sge>{} : pieces_of(s.wr), pd,
                        is_read(s.wr) ? IBV_ACCESS_LOCAL_WRITE : 0);
    if (!local.valid()) {
        s.status = IBV_WC_LOC_PROT_ERR;
        return true;
    }
    const iovec copied{s.inline_data.data(), s.inline_data.size()};
    const std::span<const iovec> pieces =
        is_inline ? std::span(&copied, s.inline_data.empty() ? 0u : 1u) : local.pieces();
    const std::uint64_t length = is_inline ? s.inline_data.size() : local.length();
    if (length > longest_message) {
        s.status = IBV_WC_LOC_LEN_ERR;
        return true;
    }
    if (s.fate.broken) {
        s.status = IBV_WC_RETRY_EXC_ERR;
        return true;
    }
    if (s.fate.no_receive && !s.not_ready)
        return not_ready(s, 1);
    if (!peer_ || on().removed() || on().port_down())
        return no_answer(s);

    const std::uint32_t reads = reads_posted_ - reads_retired_.load(std::memory_order_relaxed);
    const operation op{s.wr, pieces, length, number(), on().gid, std::min<std::uint32_t>(reads, attr_.max_rd_atomic)};
    const answer a = deliver(*peer_, attr_.dest_qp_num, op);
    switch (a.is) {
    case answer::no_answer: return no_answer(s);
    case answer::not_ready: return not_ready(s, a.rnr_timer);
    case answer::refused: s.status = a.status; return true;
    case answer::done: break;
    }
    count_done(s.wr, length);
    if (checks_on() && is_read(s.wr))
        s.fingerprint = fingerprint(pieces);
    return true;
}

bool queue_pair::no_answer(slot& s) {
    record::add(count::no_answer);
    if (attr_.timeout != 0 && s.attempts++ == attr_.retry_cnt) {
        s.status = IBV_WC_RETRY_EXC_ERR;
        return true;
    }
    // A timeout of 0 waits for ever; looking again now and then does no harm.
    s.not_before = clock::now() + ack_timeout(attr_.timeout ? attr_.timeout : 18);
    wait_until(s.not_before);
    return false;
}

bool queue_pair::not_ready(slot& s, unsigned timer) {
    record::add(count::receiver_not_ready);
    if (attr_.rnr_retry != for_ever && s.not_ready == attr_.rnr_retry) {
        s.status = IBV_WC_RNR_RETRY_EXC_ERR;
        return true;
    }
    ++s.not_ready;
    s.not_before = clock::now() + rnr_delay(timer);
    wait_until(s.not_before);
    return false;
}

void queue_pair::wait_until(clock::time_point when) {
    process::self().work().resume_at(when, number());
}

/// Completions of what is done, in order, as far as faults let them come.
void queue_pair::publish() {
    auto& cq = completion_queue::of(qp_base.send_cq).shared();
    for (; published_ != done_; ++published_) {
        slot& s = at(published_);
        const bool late = s.completes != clock::time_point{} && clock::now() < s.completes;
        if (late)
            wait_until(s.completes);
        if (late || faults::holding())
            return;
        if (s.status == IBV_WC_SUCCESS && !all_signaled_ && !(s.wr.send_flags & IBV_SEND_SIGNALED))
            continue;
        completion c{};
        c.wc.wr_id = s.wr.wr_id;
        c.wc.status = s.status;
        c.wc.opcode = completion_opcode(s.wr.opcode);
        c.wc.qp_num = number();
        if (is_read(s.wr))
            for (const ibv_sge& p : pieces_of(s.wr))
                c.wc.byte_len += p.length;
        c.position = published_;
        complete(*self_, cq, c, false);
    }
}

/// In error: what is left comes back undone.
void queue_pair::flush() {
    for (; done_ != posted_; ++done_)
        at(done_).status = IBV_WC_WR_FLUSH_ERR;
    publish();
}

void queue_pair::retire(std::uint32_t position, ibv_wc_status status) noexcept {
    segment& own = process::self().memory();
    const std::uint32_t pd = protection_domain::of(qp_base.pd).number;
    std::uint32_t reads = 0;
    for (std::uint32_t i = retired_.load(std::memory_order_relaxed); i != position + 1; ++i) {
        slot& s = at(i);
        if (is_read(s.wr))
            ++reads;
        if (s.wr.send_flags & IBV_SEND_INLINE)
            continue;
        if (s.fingerprint && status == IBV_WC_SUCCESS) {
            const buffers b(own, pieces_of(s.wr), pd, 0);
            if (b.valid() && fingerprint(b.pieces()) != s.fingerprint)
                record::violation("queue pair " + std::to_string(number()) + ": the buffer of " +
                                  (is_read(s.wr) ? "an RDMA READ, " : "a send, ") + std::to_string(s.wr.wr_id) +
                                  ", was changed before its completion was polled");
        }
        refer_to(own, pieces_of(s.wr), -1);
    }
    reads_retired_.fetch_add(reads, std::memory_order_relaxed);
    retired_.store(position + 1, std::memory_order_release);
}

void queue_pair::resume() {
    std::lock_guard hold(mutex_);
    run();
}

void resume_all() {
    process& own = process::self();
    for (auto& place : own.queue_pairs) {
        std::lock_guard hold(own.acting);
        if (queue_pair* q = place.load())
            q->resume();
    }
}

}  // namespace softrdma
