// SPDX-License-Identifier: Apache-2.0
// Bytes in and out.

#include "transport/tcp/poll_group.h"
#include "transport/tcp/qpair.h"

#include <algorithm>
#include <array>
#include <new>
#include <sys/epoll.h>
#include <utility>

namespace causeway::tcp {

namespace {

// What one connection may move in a turn before its neighbours get theirs.
constexpr std::size_t turn_budget = 256 * 1024;
// Where data is expected, headers are received by themselves, so that most of the data goes where it belongs.
constexpr std::size_t header_scratch = 1024;
constexpr std::size_t max_pieces = 384;

}  // namespace

unsigned qpair::receive() noexcept {
    follow_quiet_epoch();
    pdus_ = 0;
    std::size_t received = 0;
    const std::uint32_t epoch = home().stalls();
    bool at_end = false;
    while (!stopping_ && received < turn_budget) {
        const std::span<std::byte> destination = reader_.destination();
        std::span<std::byte> scratch = group_.scratch();
        if (receiving_)
            scratch = scratch.first(header_scratch);
        const iovec to[] = {{destination.data(), destination.size()}, {scratch.data(), scratch.size()}};
        const stream::outcome got = stream_->receive(std::span(to).subspan(destination.empty() ? 1 : 0));
        if (got.bytes)
            group_.stats().receives.add();
        received += got.bytes;
        if (const std::size_t in_place = std::min(destination.size(), got.bytes)) {
            reader_.received_in_place(in_place);
            reader_.feed(scratch.first(got.bytes - in_place));
        } else {
            reader_.feed(scratch.first(got.bytes));
        }
        if (got.after != stream::state::open)
            on_connection_lost(got.after);
        if (got.bytes < destination.size() + scratch.size()) {
            at_end = !stream_->holds_more();
            break;
        }
    }
    if (epoch != stall_epoch) [[unlikely]]
        read_after_stall(epoch, received, at_end);
    return received ? std::max(pdus_, 1u) : 0;
}

/// A connection that was idle at a stall had nothing to read after it, and what comes later is not out of date.
void qpair::follow_quiet_epoch() noexcept {
    const std::uint32_t quiet = group_.quiet_epoch();
    if (quiet == stall_epoch) [[likely]]
        return;
    const bool nothing_is_left = read_since_stall_ == 0 && reader_.at_rest() && !stream_->holds_more();
    if (nothing_is_left && static_cast<std::int32_t>(quiet - stall_epoch) > 0)
        stall_epoch = quiet;
}

/// A host that has filled the receive window before the stall may have more in its own kernel that is just as old: then
/// only a new connection is sure to be up to date.
void qpair::read_after_stall(std::uint32_t epoch, std::size_t bytes, bool at_end) noexcept {
    read_since_stall_ += bytes;
    if (read_since_stall_ > stream_->receive_buffer_size() / 4)
        return disconnect(nvmf::disconnect_reason::stalled);
    if (at_end) {
        stall_epoch = epoch;
        read_since_stall_ = 0;
    }
}

void qpair::enqueue(request& r) noexcept {
    r.queued = true;
    send_queue_.push_back(r);
    group_.mark_dirty(*this);
}

bool qpair::transmit() noexcept {
    while (!blocked_ && !broken_ && !all_sent()) {
        std::array<iovec, max_pieces> pieces;
        std::size_t count = 0, bytes = 0;
        for (const request* r = send_queue_.front();
             r && count + outgoing::max_pieces <= pieces.size() && bytes < turn_budget; r = r->after) {
            const std::size_t gone = r == send_queue_.front() ? sent_ : 0;
            count += r->out.pieces(gone, &pieces[count]);
            bytes += r->out.size() - gone;
        }
        if (count == 0) {
            const auto left = term_req_.left();
            pieces[count++] = {const_cast<std::byte*>(left.data()), left.size()};
            bytes = left.size();
        }
        const stream::outcome got = stream_->send({pieces.data(), count});
        group_.stats().sends.add();
        if (got.after != stream::state::open) {
            on_connection_lost(got.after);
            break;
        }
        on_sent(got.bytes);
        if (got.bytes < bytes) {
            blocked_ = true;
            group_.stats().blocked.add();
        }
        if (bytes >= turn_budget)
            break;
    }
    if (stopping_) [[unlikely]]
        progress_.notify_all();
    return !blocked_ && !broken_ && !all_sent();
}

void qpair::on_sent(std::size_t bytes) noexcept {
    while (bytes && !send_queue_.empty()) {
        request& r = *send_queue_.front();
        const std::size_t left = r.out.size() - sent_;
        if (bytes < left) {
            sent_ += bytes;
            return;
        }
        bytes -= left;
        sent_ = 0;
        send_queue_.remove(r);
        r.queued = false;
        if (r.at == step::sending)
            complete_answered(r);
        else
            on_r2t_sent(r);
    }
    term_req_.sent(bytes);
}

void qpair::on_connection_lost(stream::state how) noexcept {
    disconnect(how == stream::state::ended ? nvmf::disconnect_reason::host_asked
                                           : nvmf::disconnect_reason::transport_error);
}

void qpair::on_hang_up() noexcept {
    on_connection_lost(stream::state::broken);
}

std::uint32_t qpair::interest() const noexcept {
    return (stopping_ ? 0 : std::uint32_t{EPOLLIN}) | (blocked_ || wants_to_send() ? std::uint32_t{EPOLLOUT} : 0);
}

std::unique_ptr<stream> qpair::stop_sending() noexcept {
    broken_ = true;
    while (request* r = send_queue_.pop_front()) {
        r->queued = false;
        if (r->at == step::sending)
            complete_request(*r);
        else
            abandon_request(*r);
    }
    sent_ = 0;
    requests_.close();
    return std::move(stream_);
}

}  // namespace causeway::tcp
