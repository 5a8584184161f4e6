// SPDX-License-Identifier: Apache-2.0
// Buffers, and data that the host is asked for. NVM Express TCP Transport Specification 1.0, "Data Transfers".

#include "nvmf/buffer_holders.h"
#include "nvmf/target.h"
#include "transport/tcp/poll_group.h"
#include "transport/tcp/qpair.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace causeway::tcp {

namespace {

namespace sc = nvme::sc;

// A long command is asked for in pieces, so that a host has so much of it on its way at most: MAXR2T of Linux allows
// one at a time.
constexpr std::uint32_t max_asked_at_once = 128 * 1024;

std::uint16_t tag_of(const request& r, std::size_t part) noexcept {
    return static_cast<std::uint16_t>(r.index * request::max_parts + part);
}

}  // namespace

/// Room for the data that a capsule brings: a buffer of the pool, or memory that is made for it. The host was promised
/// room for a capsule's data for each entry of its queue, so nothing waits for it: what stands behind the capsule in
/// the stream may be the data of the very commands that hold the buffers. False: no memory.
bool qpair::allocate_capsule_data(request& r) noexcept {
    // Unknown hosts get no shared resources of the core. And half of a fused pair may have to wait for the other one,
    // which may have to wait for a buffer.
    const bool may_share = connected_ && r.command.fuse() == nvme::fuse::normal;
    if (may_share && buffers_.take_from_pool(r.buffer, r.in_capsule, nvmf::buffer_holders_of(*this, r.command))) {
        r.data = r.buffer.data;
        return true;
    }
    return make_room(r, r.in_capsule);
}

/// False: no memory.
bool qpair::make_room(request& r, std::uint32_t bytes) noexcept {
    r.own_room.reset(new (std::nothrow) std::byte[bytes]);
    r.data = r.own_room.get();
    return r.data != nullptr;
}

/// The data that came with the capsule of a command that waits moves out of the pool, which others share. Without
/// memory for it, it stays, and counts for the namespace that lets it wait.
void qpair::on_deferred(request& r) noexcept {
    if (!r.buffer.has_buffer())
        return;
    if (!make_room(r, r.in_capsule)) {
        r.data = r.buffer.data;
        return buffers_.transfer_to(r.buffer, core::buffer_user::ns);
    }
    std::memcpy(r.data, r.buffer.data, r.in_capsule);
    buffers_.release(r.buffer);
}

void qpair::on_buffer(request& r) noexcept {
    r.data = r.own_room ? r.own_room.get() : r.buffer.data;
    r.segments[0] = {r.data, r.length};
    r.segment_count = 1;
    if (r.transfer == nvmf::transfer::to_host)
        return execute(r);
    r.at = step::waiting_fetch;
    r.asked = r.received = 0;
    r.parts = {};
    ++receiving_;
    send_r2ts(r);
}

void qpair::release_resources(request& r) noexcept {
    r.own_room.reset();
    buffers_.release(r.buffer);
}

/// For as much of its data as may be on the way at a time.
void qpair::send_r2ts(request& r) noexcept {
    r.out.clear();
    for (std::size_t i = 0; i < max_parts_ && r.asked < r.length; ++i) {
        request::part& p = r.parts[i];
        if (p.at != request::part::step::free)
            continue;
        p = {r.asked, std::min(max_asked_at_once, r.length - r.asked), 0, request::part::step::asking};
        r.asked += p.length;
        nvme::tcp_r2t h{};
        h.common.type = nvme::to_underlying(nvme::tcp_pdu_type::r2t);
        h.cccid = r.command.cid;
        h.ttag = tag_of(r, i);
        h.r2to = p.begin;
        h.r2tl = p.length;
        r.out.add(h, reader_.negotiated.header_digest);
    }
    if (r.out.size())
        enqueue(r);
}

/// Its R2Ts are with the host.
void qpair::on_r2t_sent(request& r) noexcept {
    if (stopping_)
        return abandon_request(r);
    r.at = step::fetching;
    for (request::part& p : r.parts)
        if (p.at == request::part::step::asking)
            p.at = request::part::step::receiving;
    send_r2ts(r);
}

/// Its R2T must be queued whole: nothing of it has been sent, or been taken by the stream to be sent.
bool qpair::cancel_fetch(request& r) noexcept {
    std::size_t before = 0;
    for (const request* other = send_queue_.front(); other != &r; other = other->after)
        before += other->out.size();
    if (before < sent_ + stream_->begun())
        return false;
    send_queue_.remove(r);
    r.queued = false;
    --receiving_;
    return true;
}

std::variant<std::byte*, violation> qpair::begin_data(const nvme::tcp_data& h) noexcept {
    using header = nvme::tcp_data;
    request* const asked = requests_.find(h.ttag / request::max_parts);
    if (!asked || asked->at != step::fetching)
        return invalid_field(offsetof(header, ttag));
    request& r = *asked;
    request::part& p = r.parts[h.ttag % request::max_parts];
    if (p.at != request::part::step::receiving)
        return invalid_field(offsetof(header, ttag));
    if (h.cccid != r.command.cid)
        return invalid_field(offsetof(header, cccid));
    const std::uint32_t offset = h.datao, size = h.datal;
    if (size != h.common.plen - h.common.pdo - (reader_.negotiated.data_digest ? nvme::tcp_digest_size : 0))
        return invalid_field(offsetof(header, datal));
    if (offset < p.begin || offset > p.begin + p.length || size > p.begin + p.length - offset)
        return violation{nvme::tcp_fatal_error::data_transfer_out_of_range};
    if (offset != p.begin + p.received)
        return invalid_field(offsetof(header, datao));
    const bool last = p.received + size == p.length;
    if (last != ((h.common.flags & nvme::tcp_last_pdu) != 0))
        return invalid_field(offsetof(header, common.flags));
    return r.data + offset;
}

/// REQUIRES: begin_data() has found it good.
void qpair::end_data(const nvme::tcp_data& h, bool intact) noexcept {
    request& r = *requests_.find(h.ttag / request::max_parts);
    request::part& p = r.parts[h.ttag % request::max_parts];
    p.received += h.datal;
    r.received += h.datal;
    r.has_digest_error |= !intact;
    if (p.received == p.length)
        p.at = request::part::step::free;
    if (r.received < r.length) {
        if (!r.queued)
            send_r2ts(r);
        return;
    }
    --receiving_;
    if (r.has_digest_error)
        return abort_request(r, sc::transient_transport_error);
    execute(r);
}

}  // namespace causeway::tcp
