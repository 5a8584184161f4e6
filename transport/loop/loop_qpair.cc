// SPDX-License-Identifier: Apache-2.0
#include "transport/loop/loop_qpair.h"

#include "nvmf/buffer_holders.h"
#include "nvmf/target.h"
#include "transport/loop/loop_transport.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <string>

namespace causeway::loop {

namespace {

/// Back at the host's reactor.
void deliver(core::message& m) noexcept {
    slot& s = static_cast<slot&>(m);
    if (s.of->host)
        s.of->host->answered(s);
}

/// Nothing of its data has moved yet.
bool can_be_abandoned(const slot& s) noexcept {
    return s.at == slot::step::deferred || s.at == slot::step::waiting_for_buffer;
}

data_buffers* buffers_of(link& l) noexcept {
    auto& buffers = l.transport.local().buffers;
    return buffers ? &*buffers : nullptr;
}

slot& slot_of(nvmf::request& r) noexcept {
    return *static_cast<slot::command_request&>(r).of;
}

std::size_t bytes_of(std::span<const iovec> pieces) noexcept {
    std::size_t bytes = 0;
    for (const iovec& p : pieces)
        bytes += p.iov_len;
    return bytes;
}

/// `toward_host`: from the flat buffer to the host's pieces; else the other way.
void copy(std::byte* buffer, std::span<const iovec> pieces, std::size_t bytes, bool toward_host) noexcept {
    for (const iovec& p : pieces) {
        const std::size_t n = std::min(bytes, p.iov_len);
        if (toward_host)
            std::memcpy(p.iov_base, buffer, n);
        else
            std::memcpy(buffer, p.iov_base, n);
        buffer += n;
        bytes -= n;
    }
}

}  // namespace

loop_qpair::loop_qpair(link& l) : nvmf::qpair(l.target_home()), link_(l), buffers_(buffers_of(l)) {
    port = l.port;
    sq_entries = l.entries;
    auto& mine = link_.transport.local();
    next = mine.qpairs;
    mine.qpairs = this;
}

loop_qpair::~loop_qpair() {
    loop_qpair** at = &link_.transport.local().qpairs;
    while (*at != this)
        at = &(*at)->next;
    *at = next;
}

nvmf::transport_address loop_qpair::peer_address() const {
    return {"LOOP", "", "host", std::to_string(link_.number)};
}

void loop_qpair::receive(slot& s) noexcept {
    auto& mine = link_.transport.local();
    mine.commands.add();
    if (closing_) {
        mine.dropped.add();
        return;
    }
    if (++sq_head_ == sq_entries)
        sq_head_ = 0;

    auto& r = s.request;
    r.qpair = this;
    // As of this turn: what may have come before a stall that has not been noticed yet is taken to have come before it.
    stall_epoch = static_cast<std::uint32_t>(home().stats().stalls.get());
    r.set_status(nvme::sc::success);
    r.completion = {};
    r.segment_count = 0;
    on_begun(s, link_.transport.target().begin(r));
}

void loop_qpair::resume(nvmf::request& r) noexcept {
    on_begun(slot_of(r), {});
}

inline void loop_qpair::on_begun(slot& s, nvme::status begun) noexcept {
    auto& mine = link_.transport.local();
    auto& r = s.request;
    if (!begun.ok()) {
        if (begun == nvmf::deferred) {
            s.at = slot::step::deferred;
            return;
        }
        r.set_status(begun);
        mine.refused.add();
        return send_response(s);
    }
    if (r.transfer == nvmf::transfer::none)
        return run(s, nullptr);
    if (bytes_of(s.host_data) < r.length) {
        link_.transport.target().abandon(r);
        r.set_status(nvme::sc::data_sgl_length_invalid.with_dnr());
        mine.refused.add();
        return send_response(s);
    }
    if (link_.transport.path() == data_path::borrow)
        borrow_memory(s);
    else
        find_buffer(s);
}

void loop_qpair::borrow_memory(slot& s) noexcept {
    std::size_t left = s.request.length;
    for (const iovec& p : s.host_data) {
        const std::size_t n = std::min(left, p.iov_len);
        if (n)
            s.request.segments[s.request.segment_count++] = {p.iov_base, n};
        left -= n;
    }
    run(s, nullptr);
}

/// What must not wait for the buffers that I/O holds: admin commands and Connect, so that hosts can connect while a
/// disk is slow; and the second half of a fused pair, for the first one keeps its buffer until the second has come.
bool loop_qpair::has_private_buffer(const slot& s) const noexcept {
    return !is_io_queue() || s.request.command.fuse() == nvme::fuse::second;
}

void loop_qpair::find_buffer(slot& s) noexcept {
    if (has_private_buffer(s)) {
        s.own_buffer = std::make_unique<std::byte[]>(s.request.length);
        return run(s, s.own_buffer.get());
    }
    if (buffers_->take(s.claim, s.request.length, nvmf::buffer_holders_of(*this, s.request.command), accounts_))
        return run(s, s.claim.data);
    s.at = slot::step::waiting_for_buffer;
    s.claim.ready = [](core::buffer_claim& c) noexcept {
        slot& waited = *static_cast<slot::buffer_claim&>(c).of;
        auto& state = waited.of->transport.local();
        state.pending.sub();
        state.buffers->accept(c, waited.request.length);
        waited.of->qpair->run(waited, c.data);
    };
    link_.transport.local().pending.add();
    buffers_->wait(s.claim);
}

void loop_qpair::run(slot& s, std::byte* buffer) noexcept {
    auto& r = s.request;
    s.buffer = buffer;
    if (buffer) {
        r.segments[0] = {buffer, r.length};
        r.segment_count = 1;
        if (r.transfer == nvmf::transfer::from_host) {
            copy(buffer, s.host_data, r.length, false);
            if (!s.own_buffer)
                buffers_->transfer_to_disk(s.claim);
        }
    }
    s.at = slot::step::executing;
    link_.transport.target().execute(r);
}

void loop_qpair::respond(nvmf::request& r) noexcept {
    slot& s = slot_of(r);
    if (s.at != slot::step::executing) {
        link_.transport.local().broken.add();
        return;
    }
    if (std::byte* buffer = std::exchange(s.buffer, nullptr)) {
        if (!muted_ && r.has_data_for_host())
            copy(buffer, s.host_data, r.length, true);
        if (s.own_buffer)
            s.own_buffer.reset();
        else
            buffers_->release(s.claim, r.length);
    }
    send_response(s);
}

void loop_qpair::send_response(slot& s) noexcept {
    s.at = slot::step::answered;
    if (closing_) [[unlikely]]
        return send_last_response(s);  // in this place, so that the others need no frame
    send_completion(s);
}

[[gnu::cold, gnu::noinline]] void loop_qpair::send_last_response(slot& s) noexcept {
    answered_.notify_all();
    if (!muted_)
        send_completion(s);
}

inline void loop_qpair::send_completion(slot& s) noexcept {
    nvme::completion& c = s.request.completion;
    c.sqhd = sq_flow_control() ? sq_head_ : nvme::sqhd_without_flow_control;
    c.sqid = 0;
    c.cid = s.cid;
    c.set_status(s.request.status());
    link_.transport.local().answers.add();
    s.handle = &deliver;
    link_.host_home.post(s);
}

bool loop_qpair::abort_waiting(std::uint16_t cid) noexcept {
    if (cid >= link_.entries || !can_be_abandoned(link_.slots[cid]))
        return false;
    slot& s = link_.slots[cid];
    abandon_waiting(s);
    s.request.set_status(nvme::sc::aborted_by_request);
    send_response(s);
    return true;
}

void loop_qpair::abandon_waiting(slot& s) noexcept {
    auto& mine = link_.transport.local();
    if (s.at == slot::step::waiting_for_buffer) {
        mine.buffers->cancel(s.claim);
        mine.pending.sub();
    }
    link_.transport.target().abandon(s.request);
}

bool loop_qpair::executes() const noexcept {
    return std::any_of(link_.slots.get(), link_.slots.get() + link_.entries,
                       [](const slot& s) { return s.at == slot::step::executing; });
}

void loop_qpair::disconnect(nvmf::disconnect_reason why) noexcept {
    if (!nvmf::answers_commands_in_flight(why)) {
        muted_ = true;
        answered_.notify_all();
    }
    if (std::exchange(closing_, true))
        return;
    // In a turn of its own: the caller may be in the middle of something that the tear-down destroys.
    teardown_message_.of = this;
    teardown_message_.handle = [](core::message& m) noexcept {
        core::detach(static_cast<teardown_message&>(m).of->tear_down());
    };
    home().post(teardown_message_);
}

core::task<> loop_qpair::tear_down() {
    link& l = link_;
    for (std::uint16_t cid = 0; cid < l.entries; ++cid) {
        if (can_be_abandoned(l.slots[cid])) {
            abandon_waiting(l.slots[cid]);
            l.slots[cid].at = slot::step::answered;
        }
    }
    constexpr auto commands_in_flight_limit = std::chrono::seconds(1);
    co_await answered_.wait_for(commands_in_flight_limit, [this] { return muted_ || !executes(); });
    muted_ = true;
    const bool borrowed = l.transport.path() == data_path::borrow;
    if (!borrowed)
        l.host_home.post(l.severed);
    co_await l.transport.target().detach(*this);
    co_await core::switch_to(l.target_home());
    if (borrowed)
        l.host_home.post(l.severed);
    l.qpair.reset();  // *this
    l.detached = true;
    l.destroy_if_done();
}

}  // namespace causeway::loop
