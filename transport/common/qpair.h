// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/buffer_share.h"
#include "core/condition_variable.h"
#include "core/log.h"
#include "core/timer.h"
#include "nvme/fabrics.h"
#include "nvmf/buffer_holders.h"
#include "nvmf/target.h"
#include "transport/common/connection_limiter.h"
#include "transport/common/poll_group.h"
#include "transport/common/request_table.h"
#include "transport/common/sq_head.h"

#include <bit>
#include <cassert>
#include <chrono>
#include <functional>
#include <string_view>
#include <utility>

namespace causeway::common {

/// The way of a command through one connection, whatever carries it: its request, its buffer, its turn with the target,
/// its response, and all ways to end early. A fabric derives from it, `class qpair final : public common::qpair<qpair,
/// request>`, parses capsules, and moves bytes. Lives on its poll group's reactor, made and destroyed there by its
/// connection.
///
/// The fabric's class has, and may keep private if it befriends this one:
///
///     static constexpr std::string_view log_name;      "tcp", in front of what is logged
///     void on_begun(Request& r, nvme::status s)        begin() has returned `s`, or resume() was called
///     void on_deferred(Request& r)                     it waits, and should hold nothing that others might want
///     void on_buffer(Request& r)                       `r` has waited and has its buffer: its data may move
///     bool cancel_fetch(Request& r)                    `r` waits to fetch; false: data of it is on its way already
///     void send_response(Request& r, bool with_data)   the completion's dw0, dw1 and the status stand
///     void release_resources(Request& r)               whatever it holds, its buffer among it
///     void on_connected(std::uint32_t entries)         Connect has succeeded, and asked for so many entries
///
/// All of that is called without a virtual call: it is the way of each command.
template <class Qpair, class Request>
class qpair : public nvmf::qpair {
  public:
    // nvmf::qpair
    void respond(nvmf::request& done) noexcept final;
    void resume(nvmf::request& r) noexcept final;
    void disconnect(nvmf::disconnect_reason why) noexcept final;
    bool abort_waiting(std::uint16_t cid) noexcept final;
    nvmf::transport_address local_address() const final { return local_; }
    nvmf::transport_address peer_address() const final { return peer_; }

    /// Whether a command is with the target whose response can still be sent.
    bool has_commands_in_flight() noexcept {
        return !broken_ && requests_.any_of([](const Request& r) { return r.at == step::executing; });
    }
    /// For the connection, which closes it: notified when responses may be out, and at other steps of an ending.
    core::condition_variable& progress() noexcept { return progress_; }

  protected:
    /// `permit`: its connection's, until nothing is sent any more. `entries`: of the submission queue, as far as they
    /// are known. `on_closed_by_us` is called once, on this reactor.
    qpair(poll_group& group, connection_permit& permit, std::uint32_t entries, nvmf::transport_address local,
          nvmf::transport_address peer, std::function<void(nvmf::disconnect_reason)> on_closed_by_us);
    ~qpair() override { assert(requests_.taken() == 0); }

    /// A capsule has come: checks it. REQUIRES: `command` is what it says.
    nvme::status begin_request(Request& r) noexcept {
        r.at = step::executing;
        r.received = home().now();
        return target_.begin(r);
    }
    /// A buffer for the data of `r`, which is not here yet. False: on_buffer() is called when there is one. One buffer
    /// is enough for both halves of a fused pair, so that none of them can wait for what the other one holds.
    [[nodiscard]] bool find_buffer(Request& r) noexcept;
    /// Hands it to the target. REQUIRES: `segments` are where its data is, or is to be.
    void execute(Request& r) noexcept;
    /// Of a command that the target has not begun, or has had back. The completion's dw0 and dw1 stand.
    void respond_with_status(Request& r, nvme::status s) noexcept {
        r.set_status(s);
        self().send_response(r, false);
    }
    /// Of a command with which begin() did not return success: it is answered with that, or waits for resume().
    void respond_or_defer(Request& r, nvme::status s) noexcept {
        if (s != nvmf::deferred)
            return respond_with_status(r, s);
        r.at = step::deferred;
        self().on_deferred(r);
    }
    /// A command that begin() has accepted, and that will not be executed.
    void abort_request(Request& r, nvme::status s) noexcept {
        target_.abandon(r);
        respond_with_status(r, s);
    }
    /// The same without a response.
    void abandon_request(Request& r) noexcept {
        target_.abandon(r);
        complete_request(r);
    }
    /// Its response has gone out, so it is over. It may be gone when this returns.
    void complete_answered(Request& r) noexcept {
        latencies_.request.add(home().now() - r.received);
        complete_request(r);
    }
    /// It is over. It may be gone when this returns.
    void complete_request(Request& r) noexcept {
        self().release_resources(r);
        requests_.release(r);
    }

    /// Says why, and closes the connection.
    void terminate(std::string_view what,
                   nvmf::disconnect_reason why = nvmf::disconnect_reason::protocol_violation) noexcept;
    /// The first step of an ending: no new commands begin, and commands that are deferred or wait for a buffer are
    /// dropped.
    void begin_closing() noexcept;

    nvmf::target& target_;
    const nvmf::transport_address local_, peer_;
    core::buffer_share buffers_;
    bool stopping_ = false;  ///< nothing new begins
    bool broken_ = false;    ///< nothing is sent any more
    sq_head sq_head_;
    request_table<Request> requests_;
    core::condition_variable progress_;

  private:
    /// Hosts send Connect at once. One that does not would use up what connections are promised.
    static constexpr auto connect_time_limit = std::chrono::seconds(15);

    Qpair& self() noexcept { return static_cast<Qpair&>(*this); }
    void prepare(Request& r) noexcept;
    void on_fabrics_command_done(const Request& r) noexcept;
    void stop() noexcept {
        stopping_ = true;
        set_disconnecting();
        connect_limit_.cancel();
    }

    connection_permit& permit_;
    latency_sums& latencies_;
    std::function<void(nvmf::disconnect_reason)> on_closed_by_us_;
    core::timer connect_limit_;
};

template <class Qpair, class Request>
qpair<Qpair, Request>::qpair(poll_group& group, connection_permit& permit, std::uint32_t entries,
                             nvmf::transport_address local, nvmf::transport_address peer,
                             std::function<void(nvmf::disconnect_reason)> on_closed_by_us)
    : nvmf::qpair(group.home()), target_(group.target()), local_(std::move(local)), peer_(std::move(peer)),
      buffers_(group.buffers(), group.own_buffers()), sq_head_(entries), requests_([this](Request& r) { prepare(r); }),
      permit_(permit), latencies_(group.latencies()), on_closed_by_us_(std::move(on_closed_by_us)),
      connect_limit_(group.home(), [this] {
          if (!is_connected())
              terminate("no Connect command in time");
      }) {
    connect_limit_.arm_after(connect_time_limit);
}

template <class Qpair, class Request>
void qpair<Qpair, Request>::prepare(Request& r) noexcept {
    r.qpair = this;
    r.buffer.owner = &r;
    r.buffer.granted = [](core::buffer_share::claim& c) noexcept {
        Request& waited = *static_cast<typename Request::buffer_claim&>(c).owner;
        static_cast<Qpair&>(*waited.qpair).on_buffer(waited);
    };
}

template <class Qpair, class Request>
bool qpair<Qpair, Request>::find_buffer(Request& r) noexcept {
    r.at = step::waiting_buffer;
    if (auto* const first = static_cast<Request*>(r.other_half());
        first && (first->buffer.has_buffer() || first->buffer.is_waiting()))
        return buffers_.share(r.buffer, first->buffer, r.length);
    if (buffers_.take(r.buffer, buffer_length_of(r), nvmf::buffer_holders_of(*this, r.command))) [[likely]]
        return true;
    buffers_.wait(r.buffer);
    return false;
}

template <class Qpair, class Request>
void qpair<Qpair, Request>::execute(Request& r) noexcept {
    r.at = step::executing;
    r.submitted = home().now();
    latencies_.fetch.add(r.submitted - r.received);
    if (r.starts_when_executed())
        buffers_.transfer_to(r.buffer, core::buffer_user::ns);
    target_.execute(r);
}

/// It may be the one by which its host has been admitted.
template <class Qpair, class Request>
void qpair<Qpair, Request>::on_fabrics_command_done(const Request& r) noexcept {
    if (!broken_ && is_admitted())
        permit_.admitted();
    if (!nvme::is_connect(r.command) || !r.status().ok())
        return;
    const std::uint32_t entries = std::bit_cast<nvme::connect_command>(r.command).sqsize + 1u;
    sq_head_.set_entries(entries);
    self().on_connected(entries);
}

template <class Qpair, class Request>
void qpair<Qpair, Request>::respond(nvmf::request& done) noexcept {
    Request& r = static_cast<Request&>(done);
    assert(r.at == step::executing);
    latencies_.execute.add(home().now() - r.submitted);
    if (r.command.opcode == nvme::fabrics_opcode) [[unlikely]]
        on_fabrics_command_done(r);
    buffers_.transfer_to(r.buffer, core::buffer_user::host);
    self().send_response(r, r.has_data_for_host() && r.length > 0);
}

template <class Qpair, class Request>
void qpair<Qpair, Request>::resume(nvmf::request& deferred) noexcept {
    Request& r = static_cast<Request&>(deferred);
    assert(r.at == step::deferred);
    r.at = step::executing;
    self().on_begun(r, {});
}

template <class Qpair, class Request>
void qpair<Qpair, Request>::disconnect(nvmf::disconnect_reason why) noexcept {
    if (why == nvmf::disconnect_reason::transport_error)
        broken_ = true;
    progress_.notify_all();
    if (stopping_)
        return;
    stop();
    on_closed_by_us_(why);
}

template <class Qpair, class Request>
bool qpair<Qpair, Request>::abort_waiting(std::uint16_t cid) noexcept {
    return requests_.any_of([&](Request& r) {
        if (r.command.cid != cid)
            return false;
        if (r.at == step::waiting_buffer)
            buffers_.cancel(r.buffer);
        else if (r.at != step::deferred && (r.at != step::waiting_fetch || !self().cancel_fetch(r)))
            return false;
        abort_request(r, nvme::sc::aborted_by_request);
        return true;
    });
}

template <class Qpair, class Request>
void qpair<Qpair, Request>::terminate(std::string_view what, nvmf::disconnect_reason why) noexcept {
    if (!stopping_) {
        static core::log::limiter limit;
        core::log::peer_warning(limit, "{}: {}: {}", Qpair::log_name, peer_.text(), what);
    }
    disconnect(why);
}

template <class Qpair, class Request>
void qpair<Qpair, Request>::begin_closing() noexcept {
    stop();
    buffers_.stop();
    requests_.for_each([this](Request& r) {
        if (r.at == step::waiting_buffer)
            buffers_.cancel(r.buffer);
        else if (r.at != step::deferred)
            return;
        abandon_request(r);
    });
}

}  // namespace causeway::common
