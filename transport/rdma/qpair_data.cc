// SPDX-License-Identifier: Apache-2.0
#include "transport/rdma/poll_group.h"
#include "transport/rdma/qpair.h"
#include "transport/rdma/receive_pool.h"

#include <algorithm>
#include <utility>

namespace causeway::rdma {

std::uint32_t qpair::lkey_of(const request& r) const noexcept {
    return r.buffer.is_own() ? buffers_.own_key() : group_.buffers_lkey();
}

void qpair::on_buffer(request& r) noexcept {
    use_buffer(r, r.buffer.data, lkey_of(r));
}

void qpair::use_buffer(request& r, std::byte* data, std::uint32_t lkey) noexcept {
    r.data = data;
    r.lkey = lkey;
    r.segments[0] = {data, r.length};
    r.segment_count = 1;
    if (r.transfer == nvmf::transfer::from_host)
        read(r);
    else
        execute(r);
}

void qpair::release_resources(request& r) noexcept {
    buffers_.release(r.buffer);
    release_slot(r);
}

void qpair::release_slot(request& r) noexcept {
    const std::uint32_t slot = std::exchange(r.slot, request::no_slot);
    if (slot == request::no_slot)
        return;
    if (left_)
        receives_.leave(1, 1);
    receives_.recycle(slot);
}

void qpair::read(request& r) noexcept {
    r.at = step::waiting_fetch;
    if (stopping_)
        return abandon_request(r);
    if (!read_waiters_.empty() || queue_.read_room() == 0 || queue_.room() == 0)
        group_.stats().pending_rdma_read.add();
    read_waiters_.push_back(r);
    pump_reads();
}

/// In the order of arrival, as many as the two rooms allow; a request with many descriptors may go in parts.
void qpair::pump_reads() noexcept {
    while (!read_waiters_.empty()) {
        group_.make_room(max_descriptors);  // may post, and so learn that the connection is over
        if (stopping_ || read_waiters_.empty() || queue_.room() == 0 || queue_.read_room() == 0)
            return;
        request& r = *read_waiters_.front();
        const std::uint32_t n = std::min({r.location.remote_count - r.next_read, queue_.room(), queue_.read_room()});
        for (std::uint32_t i = 0; i < n; ++i) {
            const remote_segment& from = r.location.remote[r.next_read++];
            work_arena::work& w = group_.arena().take();
            w.piece = {reinterpret_cast<std::uint64_t>(r.data) + r.read_offset, from.length, r.lkey};
            w.request.opcode = IBV_WR_RDMA_READ;
            w.request.wr.rdma = {from.address, from.key};
            w.request.wr_id = wr_id{work_kind::data, 0, r.index, slot_index, generation}.encode();
            if (i + 1 == n) {  // READs of a queue pair complete in order: the last one speaks for all
                w.request.send_flags = IBV_SEND_SIGNALED;
                w.request.wr_id =
                    wr_id{work_kind::read, static_cast<std::uint16_t>(n), r.index, slot_index, generation}.encode();
            }
            queue_.append(w);
            r.read_offset += from.length;
        }
        r.reads_outstanding += n;
        group_.mark_dirty(*this);
        if (r.next_read < r.location.remote_count)
            return;
        read_waiters_.remove(r);
        r.at = step::fetching;
    }
}

bool qpair::cancel_fetch(request& r) noexcept {
    if (r.next_read != 0)
        return false;
    read_waiters_.remove(r);
    return true;
}

void qpair::on_read_done(request& r, const wr_id& id, bool ok) noexcept {
    r.reads_outstanding -= id.retires;
    if (r.reads_outstanding != 0 || r.at != step::fetching)
        return;
    if (!ok || stopping_)
        abandon_request(r);
    else
        execute(r);
}

}  // namespace causeway::rdma
