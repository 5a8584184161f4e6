// Buffers, and data that the host is asked for. NVM Express TCP Transport Specification 1.0, "Data Transfers".

#include "nvmf/target.h"
#include "transport/tcp/poll_group.h"
#include "transport/tcp/qpair.h"

#include <algorithm>
#include <new>
#include <utility>

namespace causeway::tcp {

namespace {

// A long command is asked for in pieces, so that a host has so much of it on its way at most: MAXR2T of Linux allows one at a time.
constexpr std::uint32_t most_asked_at_once = 128 * 1024;

std::uint16_t tag_of(const request& r, std::size_t part) noexcept {
    return static_cast<std::uint16_t>(r.index * request::most_parts + part);
}

}  // namespace

/// From the shared buffers, or the queue pair's own, with which it goes on one command at a time when there are no others.
bool qpair::take_buffer(request& r, std::uint32_t bytes) noexcept {
    r.room = bytes;
    if ((r.data = group_.buffers().take(bytes))) {
        r.from = request::source::pool;
        return true;
    }
    if (own_taken_ || !buffer_line_.empty())
        return false;
    if (!own_)
        own_.reset(new (std::nothrow) std::byte[group_.max_io_size()]);
    if (!own_)
        return false;
    own_taken_ = true;
    r.data = own_.get();
    r.from = request::source::own;
    return true;
}

/// REQUIRES: take_buffer() has just found none.
void qpair::wait_for_buffer(request& r, std::uint32_t bytes) noexcept {
    r.waiting = true;
    buffer_line_.push_back(r);
    group_.buffers().wait(r.waiter, bytes);
}

void qpair::stop_waiting(request& r) noexcept {
    group_.buffers().cancel(r.waiter);
    buffer_line_.remove(r);
    r.waiting = false;
}

/// Its buffer has come.
void qpair::served(request& r) noexcept {
    buffer_line_.remove(r);
    r.waiting = false;
    if (r.at == request::step::arriving)
        resume_reading();
    else
        have_buffer(r);
}

void qpair::have_buffer(request& r) noexcept {
    r.segments[0] = {r.data, r.length};
    r.segment_count = 1;
    if (r.transfer == nvmf::transfer::to_host)
        return execute(r);
    r.at = request::step::receiving;
    r.asked = r.received = 0;
    r.parts = {};
    ++receiving_;
    ask(r);
}

void qpair::give_back_buffer(request& r) noexcept {
    switch (std::exchange(r.from, request::source::none)) {
    case request::source::pool: group_.buffers().give_back(r.data, r.room); break;
    case request::source::own:
        own_taken_ = false;
        if (broken_)
            own_.reset();
        if (request* next = stopping_ ? nullptr : buffer_line_.front()) {
            group_.buffers().cancel(next->waiter);
            own_taken_ = true;
            next->data = own_.get();
            next->from = request::source::own;
            served(*next);
        }
        break;
    case request::source::connect:
    case request::source::none: break;
    }
}

/// For as much of its data as may be on the way at a time.
void qpair::ask(request& r) noexcept {
    r.out.clear();
    for (std::size_t i = 0; i < most_parts_ && r.asked < r.length; ++i) {
        request::part& p = r.parts[i];
        if (p.at != request::part::step::free)
            continue;
        p = {r.asked, std::min(most_asked_at_once, r.length - r.asked), 0, request::part::step::asking};
        r.asked += p.length;
        nvme::tcp_r2t h{};
        h.common.type = nvme::to_underlying(nvme::tcp_pdu_type::r2t);
        h.cccid = r.command.cid;
        h.ttag = tag_of(r, i);
        h.r2to = p.begin;
        h.r2tl = p.length;
        r.out.add(h, reader_.agreed.header_digest);
    }
    if (r.out.size())
        put_in_line(r);
}

/// Its R2Ts are with the host.
void qpair::asked(request& r) noexcept {
    if (stopping_)
        return drop(r);
    for (request::part& p : r.parts)
        if (p.at == request::part::step::asking)
            p.at = request::part::step::receiving;
    ask(r);
}

std::variant<std::byte*, violation> qpair::begin_data(const nvme::tcp_data& h) noexcept {
    using header = nvme::tcp_data;
    request* const asked = requests_.find(h.ttag / request::most_parts);
    if (!asked || asked->at != request::step::receiving)
        return invalid_field(offsetof(header, ttag));
    request& r = *asked;
    request::part& p = r.parts[h.ttag % request::most_parts];
    if (p.at != request::part::step::receiving)
        return invalid_field(offsetof(header, ttag));
    if (h.cccid != r.command.cid)
        return invalid_field(offsetof(header, cccid));
    const std::uint32_t offset = h.datao, size = h.datal;
    if (size != h.common.plen - h.common.pdo - (reader_.agreed.data_digest ? nvme::tcp_digest_size : 0))
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
    request& r = *requests_.find(h.ttag / request::most_parts);
    request::part& p = r.parts[h.ttag % request::most_parts];
    p.received += h.datal;
    r.received += h.datal;
    r.damaged |= !intact;
    if (p.received == p.length)
        p.at = request::part::step::free;
    if (r.received < r.length) {
        if (!r.in_line)
            ask(r);
        return;
    }
    --receiving_;
    if (r.damaged)
        return take_back(r, nvme::sc::transient_transport_error);
    execute(r);
}

}  // namespace causeway::tcp
