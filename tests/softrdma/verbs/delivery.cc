// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/verbs/delivery.h"

#include "tests/softrdma/verbs/completion_queue.h"
#include "tests/softrdma/verbs/fingerprint.h"
#include "tests/softrdma/verbs/receive_queue.h"
#include "tests/softrdma/verbs/record.h"
#include "tests/softrdma/verbs/region.h"

#include <cstring>
#include <mutex>
#include <vector>

namespace softrdma {

namespace {

answer refused(ibv_wc_status status) {
    return {answer::refused, status};
}

/// One operation at its responder, whose queue pair is locked.
class responder {
  public:
    responder(peer& at, shared_queue_pair& q, const operation& op) : peer_(at), in_(at.memory()), queue_(q), op_(op) {}

    answer answer_to();

  private:
    answer send();
    answer write();
    answer read();
    bool moved(int rc) {
        failed_ = rc;
        return rc == 0;
    }
    answer not_moved() const { return failed_ == ESRCH ? answer{answer::no_answer} : refused(IBV_WC_REM_OP_ERR); }
    /// The responder's queue pair ends too, and is told why.
    answer fail(attention what, ibv_wc_status at_requester);
    answer fail_receive(std::uint32_t slot, ibv_wc_status at_responder, ibv_wc_status at_requester);
    shared_receive_queue& receives() { return queue_.srq ? in_.srqs[queue_.srq - 1] : queue_.receives; }
    std::optional<std::uint32_t> take();
    bool untouched(const posted_receive& r, std::span<const iovec> pieces);
    void complete_receive(std::uint32_t slot, ibv_wc wc);

    peer& peer_;
    segment& in_;
    shared_queue_pair& queue_;
    const operation& op_;
    int failed_ = 0;
};

answer responder::fail(attention what, ibv_wc_status at_requester) {
    queue_.state = IBV_QPS_ERR;
    queue_.attention |= what;
    peer_.wake_engine();
    return refused(at_requester);
}

answer responder::fail_receive(std::uint32_t slot, ibv_wc_status at_responder, ibv_wc_status at_requester) {
    ibv_wc wc{};
    wc.status = at_responder;
    complete_receive(slot, wc);
    return fail(work_failed, at_requester);
}

std::optional<std::uint32_t> responder::take() {
    shared_receive_queue& q = receives();
    const auto slot = q.capacity ? take_receive(q, in_) : std::nullopt;
    if (q.attention.load(std::memory_order_relaxed))
        peer_.wake_engine();
    if (slot)
        queue_.taken = *slot + 1;
    return slot;
}

/// Nobody has written to a receive's buffers since it was posted.
bool responder::untouched(const posted_receive& r, std::span<const iovec> pieces) {
    if (!r.fingerprint || !checks_on())
        return true;
    if (peer_.is_self())
        return fingerprint(pieces) == r.fingerprint;
    thread_local std::vector<std::byte> copy;
    std::size_t size = 0;
    for (const iovec& p : pieces)
        size += p.iov_len;
    copy.resize(size);
    const iovec here{copy.data(), size};
    return peer_.read({&here, 1}, pieces) != 0 || fingerprint({&here, 1}) == r.fingerprint;
}

void responder::complete_receive(std::uint32_t slot, ibv_wc wc) {
    shared_receive_queue& q = receives();
    const posted_receive& r = receive_at(q, in_, slot);
    const bool with_immediate = op_.wr.opcode == IBV_WR_SEND_WITH_IMM || op_.wr.opcode == IBV_WR_RDMA_WRITE_WITH_IMM;
    wc.wr_id = r.wr_id;
    wc.opcode = op_.wr.opcode == IBV_WR_RDMA_WRITE_WITH_IMM ? IBV_WC_RECV_RDMA_WITH_IMM : IBV_WC_RECV;
    wc.byte_len = static_cast<std::uint32_t>(op_.length);
    wc.qp_num = queue_.number;
    wc.src_qp = op_.from;
    if (with_immediate) {
        wc.wc_flags |= IBV_WC_WITH_IMM;
        wc.imm_data = op_.wr.imm_data;
    } else if (op_.wr.opcode == IBV_WR_SEND_WITH_INV) {
        wc.wc_flags |= IBV_WC_WITH_INV;
        wc.invalidated_rkey = op_.wr.invalidate_rkey;
    }
    const bool data_here = wc.opcode == IBV_WC_RECV && wc.status == IBV_WC_SUCCESS && checks_on();
    const completion c{wc, slot, in_.of(&q), data_here ? fingerprint(op_.local) : 0};
    complete(peer_, in_.completion_queues[queue_.receive_cq], c, op_.wr.send_flags & IBV_SEND_SOLICITED);
    queue_.taken = 0;
}

answer responder::send() {
    const auto slot = take();
    if (!slot)
        return {answer::not_ready, IBV_WC_SUCCESS, queue_.rnr_timer};
    const posted_receive& r = receive_at(receives(), in_, *slot);
    buffers to(in_, {r.sg_list.data(), r.pieces}, r.pd, IBV_ACCESS_LOCAL_WRITE);
    if (!to.valid() || r.pd != queue_.pd)
        return fail_receive(*slot, IBV_WC_LOC_PROT_ERR, IBV_WC_REM_OP_ERR);
    if (!untouched(r, to.pieces()) && !shares_buffer(receives(), in_, *slot))
        record::violation("queue pair " + std::to_string(queue_.number) + ": the buffer of receive " +
                          std::to_string(r.wr_id) + " was written to before anything arrived in it");
    if (op_.length > to.length())
        return fail_receive(*slot, IBV_WC_LOC_LEN_ERR, IBV_WC_REM_INV_REQ_ERR);
    if (op_.wr.opcode == IBV_WR_SEND_WITH_INV && !invalidate(in_, op_.wr.invalidate_rkey, queue_.pd))
        return fail_receive(*slot, IBV_WC_LOC_QP_OP_ERR, IBV_WC_REM_INV_REQ_ERR);
    if (!moved(peer_.write(op_.local, to.pieces(op_.length))))
        return failed_ == ESRCH ? not_moved() : fail_receive(*slot, IBV_WC_LOC_PROT_ERR, IBV_WC_REM_OP_ERR);
    complete_receive(*slot, {});
    return {answer::done};
}

answer responder::write() {
    if (!(queue_.access & IBV_ACCESS_REMOTE_WRITE))
        return fail(access_violated, IBV_WC_REM_ACCESS_ERR);
    if (op_.length > 0) {
        const region_use to(in_, op_.wr.wr.rdma.rkey, queue_.pd, op_.wr.wr.rdma.remote_addr, op_.length,
                            IBV_ACCESS_REMOTE_WRITE);
        if (!to.valid())
            return fail(access_violated, IBV_WC_REM_ACCESS_ERR);
        const iovec there{to.address(), op_.length};
        if (!moved(peer_.write(op_.local, {&there, 1})))
            return not_moved();
    }
    if (op_.wr.opcode == IBV_WR_RDMA_WRITE_WITH_IMM) {
        const auto slot = take();
        if (!slot)
            return {answer::not_ready, IBV_WC_SUCCESS, queue_.rnr_timer};
        complete_receive(*slot, {});
    }
    return {answer::done};
}

answer responder::read() {
    if (op_.reads_in_flight > queue_.max_reads_served)
        return fail(request_violated, IBV_WC_REM_INV_REQ_ERR);
    if (!(queue_.access & IBV_ACCESS_REMOTE_READ))
        return fail(access_violated, IBV_WC_REM_ACCESS_ERR);
    if (op_.length == 0)
        return {answer::done};
    const region_use from(in_, op_.wr.wr.rdma.rkey, queue_.pd, op_.wr.wr.rdma.remote_addr, op_.length,
                          IBV_ACCESS_REMOTE_READ);
    if (!from.valid())
        return fail(access_violated, IBV_WC_REM_ACCESS_ERR);
    const iovec there{from.address(), op_.length};
    if (!moved(peer_.read(op_.local, {&there, 1})))
        return not_moved();
    return {answer::done};
}

answer responder::answer_to() {
    switch (op_.wr.opcode) {
    case IBV_WR_RDMA_WRITE:
    case IBV_WR_RDMA_WRITE_WITH_IMM: return write();
    case IBV_WR_RDMA_READ: return read();
    default: return send();
    }
}

bool hears(const segment& in, const shared_queue_pair& q, std::uint32_t number, const operation& op) {
    const bool ready = q.state == IBV_QPS_RTR || q.state == IBV_QPS_RTS || q.state == IBV_QPS_SQD;
    return q.number == number && ready && q.peer_number == op.from &&
           std::memcmp(q.peer.raw, op.from_gid.raw, sizeof q.peer.raw) == 0 && !in.devices[q.device].removed &&
           !in.devices[q.device].port_down;
}

}  // namespace

answer deliver(peer& to, std::uint32_t number, const operation& op) {
    shared_queue_pair& q = to.memory().queue_pairs[queue_pair_place(number)];
    std::lock_guard hold(q.lock);
    if (to.dead() || !hears(to.memory(), q, number, op))
        return {answer::no_answer};
    if (!q.heard) {
        q.heard = true;
        if (q.state == IBV_QPS_RTR) {
            q.attention |= established;
            to.wake_engine();
        }
    }
    responder r(to, q, op);
    const answer a = r.answer_to();
    // Nothing was copied: the dead would go on being not ready for ever.
    const bool untouched = a.is == answer::not_ready || op.length == 0;
    return untouched && !to.look_alive() ? answer{answer::no_answer} : a;
}

}  // namespace softrdma
