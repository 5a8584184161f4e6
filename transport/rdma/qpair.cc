// SPDX-License-Identifier: Apache-2.0
#include "transport/rdma/qpair.h"

#include "core/log.h"
#include "nvme/fabrics.h"
#include "transport/rdma/poll_group.h"
#include "transport/rdma/receive_pool.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstring>
#include <utility>

namespace causeway::rdma {

namespace {

namespace sc = nvme::sc;

bool is_flush(ibv_wc_status s) noexcept {
    return s == IBV_WC_WR_FLUSH_ERR;
}

}  // namespace

qpair::qpair(poll_group& group, receive_pool& receives, common::connection_permit& permit, ibv_qp* qp,
             std::uint16_t qid, const qpair_limits& limits, registered_memory responses, nvmf::transport_address local,
             nvmf::transport_address peer, std::function<void(nvmf::disconnect_reason)> on_closed_by_us)
    : common::qpair<qpair, request>(group, permit, limits.depth, std::move(local), std::move(peer),
                                    std::move(on_closed_by_us)),
      group_(group), receives_(receives), qp_(qp), qp_num_(qp->qp_num), asked_qid_(qid), limits_(limits),
      responses_(std::move(responses)), queue_(qp, limits.send_requests, limits.reads),
      claim_(receive_pool::first_claim(limits.depth)) {
    assert(limits.send_requests > max_descriptors);
    sq_entries = limits.depth;
    parked_.reserve(limits.depth);
    // Where there is no memory for more than one, commands wait for that one.
    static_cast<void>(requests_.allow(std::uint32_t{2} * limits.depth));
}

qpair::~qpair() = default;

void qpair::reached_peak() noexcept {
    peak_ = outstanding_;
    if (outstanding_ <= claim_)
        return;
    // Twice as many, so that a queue is at its depth soon.
    const std::uint32_t more = std::min<std::uint32_t>(claim_, limits_.depth - claim_);
    claim_ += more;
    if (!group_.raise(receives_, more))
        terminate("no memory for the receives of its commands");
}

bool qpair::lower_claim() noexcept {
    const std::uint32_t least = receive_pool::first_claim(limits_.depth);
    const std::uint32_t used = std::clamp<std::uint32_t>(std::bit_ceil(peak_), least, limits_.depth);
    peak_ = outstanding_;
    if (used < claim_)
        receives_.leave(0, std::exchange(claim_, used) - used);
    return claim_ > least;
}

void qpair::on_receive(std::uint32_t slot, std::uint32_t bytes) noexcept {
    if (stopping_ || bytes < sizeof(nvme::command) || outstanding_ >= limits_.depth) {
        receives_.recycle(slot);
        if (bytes < sizeof(nvme::command))
            terminate("a capsule shorter than a command");
        else if (outstanding_ >= limits_.depth)
            terminate("more commands outstanding than the queue depth");
        return;
    }
    if (++outstanding_ > peak_) [[unlikely]]
        reached_peak();
    request* const r = parked_.empty() ? requests_.take() : nullptr;
    if (!r) [[unlikely]] {
        // Responses are out whose completions are not in yet. Commands begin in the order in which they came.
        group_.stats().pending_free_request.add();
        parked_.push_back({slot, bytes, group_.stall_epoch()});
        return;
    }
    begin_command(*r, {slot, bytes, group_.stall_epoch()});
}

void qpair::begin_command(request& r, const parked& capsule) noexcept {
    const auto [slot, bytes, epoch] = capsule;
    stall_epoch = epoch;
    r.slot = slot;
    r.reads_outstanding = 0;
    r.next_read = r.read_offset = 0;
    r.segment_count = 0;
    r.location.remote_count = 0;
    r.location.invalidate = false;
    r.has_data_to_send = false;
    std::memcpy(&r.command, receives_.command(slot), sizeof r.command);

    r.capsule_bytes = bytes;
    on_begun(r, begin_request(r));
}

inline void qpair::on_begun(request& r, nvme::status begun) noexcept {
    if (!begun.ok())
        return respond_or_defer(r, begun);
    if (const auto c = std::bit_cast<nvme::connect_command>(r.command);
        nvme::is_connect(r.command) && c.qid != asked_qid_) {
        // The queue would be on a core, and of a depth, that were chosen for another one.
        r.completion.dw0 = nvme::connect_invalid_dw0(nvme::iattr::command, offsetof(nvme::connect_command, qid));
        return abort_request(r, sc::connect_invalid_parameters.with_dnr());
    }
    if (r.transfer == nvmf::transfer::none || r.length == 0) {
        release_slot(r);
        return execute(r);
    }
    if (r.length > group_.max_io_size())
        return abort_request(r, sc::data_sgl_length_invalid.with_dnr());

    const std::uint32_t slot = r.slot;
    const std::span<const std::byte> data(receives_.data(slot), r.capsule_bytes - sizeof(nvme::command));
    const nvme::status parsed = parse_sgl(r.command, data, r.length, r.transfer, r.location);
    if (!parsed.ok())
        return abort_request(r, parsed);
    if (r.location.in_capsule) {
        r.segments[0] = {receives_.data(slot) + r.location.capsule_offset, r.length};
        r.segment_count = 1;
        return execute(r);
    }
    if (r.transfer == nvmf::transfer::from_host && r.length <= receives_.data_size()) {
        // Fetched to where it could have come with the capsule: Connect waits for no shared buffers.
        return use_buffer(r, receives_.data(slot), receives_.lkey(slot));
    }
    release_slot(r);
    if (find_buffer(r))
        use_buffer(r, r.buffer.data, lkey_of(r));
}

std::uint32_t qpair::sends_needed(const request& r) const noexcept {
    return (r.has_data_to_send ? r.location.remote_count : 0) + 1;
}

void qpair::send_response(request& r, bool with_data) noexcept {
    r.has_data_to_send = with_data;
    if (!with_data)
        buffers_.release(r.buffer);
    release_slot(r);
    group_.make_room(max_descriptors + 1);
    if (broken_)
        return complete_request(r);
    if (send_waiters_.empty() && queue_.room() >= sends_needed(r))
        return post_response(r);
    (r.has_data_to_send ? group_.stats().pending_rdma_write : group_.stats().pending_rdma_send).add();
    r.at = step::waiting_send;
    send_waiters_.push_back(r);
}

/// REQUIRES: room in the queue and in the arena. Appends RDMA WRITEs and the SEND. The device does them in order, so
/// the host has the data when it sees the response.
void qpair::post_response(request& r) noexcept {
    const std::uint32_t needed = sends_needed(r);
    r.at = step::sending;
    --outstanding_;
    ++sending_;

    std::uint32_t offset = 0;
    for (std::uint32_t i = 0; i + 1 < needed; ++i) {
        const remote_segment& to = r.location.remote[i];
        work_arena::work& w = group_.arena().take();
        w.piece = {reinterpret_cast<std::uint64_t>(r.data) + offset, to.length, r.lkey};
        w.request.wr_id = wr_id{work_kind::data, 0, r.index, slot_index, generation}.encode();
        w.request.opcode = IBV_WR_RDMA_WRITE;
        w.request.wr.rdma = {to.address, to.key};
        queue_.append(w);
        offset += to.length;
    }

    sq_head_.advance();
    sq_head_.complete(r);

    work_arena::work& w = group_.arena().take();
    w.request.wr_id =
        wr_id{work_kind::send, static_cast<std::uint16_t>(needed), r.index, slot_index, generation}.encode();
    w.request.opcode = IBV_WR_SEND;
    w.request.send_flags = IBV_SEND_SIGNALED;
    if (r.location.invalidate && group_.send_with_invalidate()) {
        w.request.opcode = IBV_WR_SEND_WITH_INV;
        w.request.invalidate_rkey = r.location.remote[0].key;
    }
    if (limits_.inline_response) {
        w.request.send_flags |= IBV_SEND_INLINE;
        w.piece = {reinterpret_cast<std::uint64_t>(&r.completion), sizeof r.completion, 0};
    } else {
        std::byte* at = responses_.data() + std::size_t{r.index} * sizeof r.completion;
        std::memcpy(at, &r.completion, sizeof r.completion);
        w.piece = {reinterpret_cast<std::uint64_t>(at), sizeof r.completion, responses_.lkey()};
    }
    queue_.append(w);
    group_.mark_dirty(*this);
}

void qpair::on_send_completion(const wr_id& id, ibv_wc_status status) noexcept {
    const bool ok = status == IBV_WC_SUCCESS;
    if (!ok && !is_flush(status) && !stopping_) {
        static core::log::limiter limit;
        core::log::peer_warning(limit, "rdma: {}: {} failed: {}", peer_.text(),
                                id.kind == work_kind::send   ? "a response"
                                : id.kind == work_kind::read ? "an RDMA READ"
                                                             : "an RDMA READ or WRITE",
                                ibv_wc_status_str(status));
    }
    request* const which = requests_.find(id.index);
    if (!which || id.kind == work_kind::none || id.kind == work_kind::receive)
        return;
    request& r = *which;
    if (id.kind != work_kind::data) {
        queue_.retire(id);
        if (id.kind == work_kind::read) {
            on_read_done(r, id, ok);
        } else {
            --sending_;
            complete_answered(r);
        }
    }
    if (!ok)
        disconnect(nvmf::disconnect_reason::transport_error);
    pump();
    if (stopping_) [[unlikely]]
        progress_.notify_all();
}

void qpair::on_receive_error(ibv_wc_status status) noexcept {
    if (status == IBV_WC_LOC_LEN_ERR)
        return terminate("a capsule longer than announced");
    disconnect(nvmf::disconnect_reason::transport_error);
}

/// Hands resources freed in this turn to waiters, responses first because they free the most.
void qpair::pump() noexcept {
    while (!send_waiters_.empty()) {
        group_.make_room(max_descriptors + 1);  // may post, and so learn that the connection is over
        if (broken_ || send_waiters_.empty() || queue_.room() < sends_needed(*send_waiters_.front()))
            break;
        post_response(*send_waiters_.pop_front());
    }
    pump_reads();
    unpark();
}

void qpair::unpark() noexcept {
    while (!stopping_ && !parked_.empty()) {
        request* const r = requests_.take();
        if (!r)
            return;
        const parked oldest = parked_.front();
        parked_.erase(parked_.begin());
        begin_command(*r, oldest);
    }
}

void qpair::on_post_refused(int code) noexcept {
    // The device may have taken RDMA READs and WRITEs of a request whose last work request it refused. So no request is
    // over: their buffers stay theirs until the queue pair is destroyed, and then abandon_posted() ends them.
    if (!stopping_) {
        static core::log::limiter limit;
        core::log::peer_warning(limit, "rdma: {}: closing the connection: the device refuses work requests: {}",
                                peer_.text(), std::strerror(code));
    }
    disconnect(nvmf::disconnect_reason::transport_error);
}

void qpair::begin_close() noexcept {
    begin_closing();
    while (request* r = read_waiters_.pop_front()) {
        r->at = step::fetching;
        if (r->reads_outstanding == 0)
            abandon_request(*r);
    }
    for (const parked& p : parked_)
        receives_.recycle(p.slot);
    parked_.clear();
}

void qpair::stop_sending() noexcept {
    broken_ = true;
    while (request* r = send_waiters_.pop_front())
        complete_request(*r);
}

void qpair::abandon_posted() noexcept {
    requests_.for_each([this](request& r) {
        if (r.at == step::sending)
            complete_request(r);
        else if (r.at == step::fetching)
            abandon_request(r);
    });
}

std::uint32_t qpair::release_unused() noexcept {
    std::uint32_t held = 0;
    requests_.for_each([&](const request& r) { held += r.slot != request::no_slot; });
    left_ = true;
    receives_.leave(limits_.depth - held, claim_ - held);
    requests_.close();
    responses_.memory = {};
    return held;
}

}  // namespace causeway::rdma
