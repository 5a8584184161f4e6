// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/qpair.h"

#include "core/log.h"
#include "nvme/fabrics.h"
#include "nvmf/target.h"
#include "transport/tcp/poll_group.h"
#include "transport/tcp/sgl.h"
#include "wire/tls/psk.h"

#include <bit>
#include <cassert>
#include <new>
#include <utility>

namespace causeway::tcp {

namespace {

namespace sc = nvme::sc;

/// Hosts send Connect at once, and its header has come already.
constexpr auto connect_time_limit = std::chrono::seconds(15);

}  // namespace

qpair::qpair(poll_group& group, handshake_result e, std::function<void(nvmf::disconnect_reason)> on_closed_by_us)
    : nvmf::qpair(group.home()), group_(group), stream_(std::move(e.stream)),
      proven_identity_(stream_->proven_identity()), local_(std::move(e.local)), peer_(std::move(e.peer)),
      on_closed_by_us_(std::move(on_closed_by_us)),
      connect_limit_(group.home(),
                     [this] {
                         if (!is_connected()) {
                             log_violation("no Connect command in time");
                             disconnect(nvmf::disconnect_reason::protocol_violation);
                         }
                     }),
      data_alignment_(e.data_alignment), max_parts_(std::min(e.max_r2ts, request::max_parts)), reader_(*this),
      unparsed_(std::move(e.first)), requests_([this](request& r) { prepare(r); }),
      buffers_(group.buffers(), group.own_buffers()) {
    port = std::move(e.port);
    reader_.negotiated = e.negotiated;
    permit = std::move(e.permit);
    permit->watch(home(), [this] { disconnect(nvmf::disconnect_reason::transport_error); });
    connect_limit_.arm_after(connect_time_limit);
}

void qpair::prepare(request& r) noexcept {
    r.qpair = this;
    r.buffer.owner = &r;
    r.buffer.granted = [](core::buffer_share::claim& c) noexcept {
        request& waited = *static_cast<request::buffer_claim&>(c).owner;
        static_cast<qpair&>(*waited.qpair).on_buffer(waited);
    };
}

nvmf::host_identity qpair::identity_of(std::string_view hostnqn, std::string_view subnqn) const {
    if (proven_identity_.empty())
        return nvmf::host_identity::unproven;
    return identity_matches(proven_identity_, hostnqn, subnqn) ? nvmf::host_identity::proven
                                                               : nvmf::host_identity::another;
}

qpair::~qpair() {
    assert(requests_.taken() == 0);
}

void qpair::begin() noexcept {
    const auto first = std::move(unparsed_);
    unparsed_.clear();
    take(first);
}

std::variant<std::byte*, violation> qpair::begin(const pdu& p) noexcept {
    switch (static_cast<nvme::tcp_pdu_type>(p.common().type)) {
    case nvme::tcp_pdu_type::capsule_cmd: return begin_capsule(p);
    case nvme::tcp_pdu_type::h2c_data: return begin_data(p.as<nvme::tcp_data>());
    default: return nullptr;  // a termination request, whose data is not read
    }
}

bool qpair::end(const pdu& p, bool intact) noexcept {
    ++pdus_;
    switch (static_cast<nvme::tcp_pdu_type>(p.common().type)) {
    case nvme::tcp_pdu_type::capsule_cmd: {
        request& r = *std::exchange(current_, nullptr);
        r.has_digest_error = !intact;
        begin_command(r);
        break;
    }
    case nvme::tcp_pdu_type::h2c_data: end_data(p.as<nvme::tcp_data>(), intact); break;
    default: {
        const auto& t = p.as<nvme::tcp_term_req>();
        static core::log::limiter limit;
        core::log::peer_warning(limit, "tcp: {}: the host ends the connection: status {:#x}, information {:#x}",
                                peer_.text(), t.fes.value(), t.fei.value());
        disconnect(nvmf::disconnect_reason::host_asked);
        break;
    }
    }
    return !stopping_;
}

void qpair::violated(const violation& v, std::span<const std::byte> header) noexcept {
    if (stopping_)
        return;
    group_.stats().violations.add();
    log_violation("a PDU violates the protocol");
    term_req_.set(nvme::tcp_pdu_type::c2h_term_req, v, header);
    group_.mark_dirty(*this);
    disconnect(nvmf::disconnect_reason::protocol_violation);
}

/// A request for it, and room for what comes with it.
std::variant<std::byte*, violation> qpair::begin_capsule(const pdu& p) noexcept {
    current_ = requests_.take();
    if (!current_) {
        log_violation(requests_.exhausted() ? "more commands outstanding than the queue depth"
                                            : "no memory for its commands");
        disconnect(nvmf::disconnect_reason::protocol_violation);
        return violation{nvme::tcp_fatal_error::pdu_sequence_error};
    }
    request& r = *current_;
    r.at = request::step::arriving;
    r.has_digest_error = false;
    r.segment_count = 0;
    r.in_capsule = p.data_length();
    r.command = p.as<nvme::tcp_capsule_cmd>().sqe;
    if (r.in_capsule == 0)
        return nullptr;
    if (!connected_ && r.in_capsule > sizeof(nvme::connect_data)) {
        r.in_capsule = 0;  // dropped, and so the command has come without
        return nullptr;
    }
    if (!allocate_capsule_data(r)) {
        log_violation("no memory for the data of its commands");
        disconnect(nvmf::disconnect_reason::transport_error);
        return violation{nvme::tcp_fatal_error::pdu_sequence_error};
    }
    return r.data;
}

/// Its capsule is complete.
void qpair::begin_command(request& r) noexcept {
    group_.stats().requests.add();
    r.at = request::step::executing;
    if (const nvme::status begun = group_.target().begin(r); !begun.ok())
        return respond_with_status(r, begun);
    if (r.transfer == nvmf::transfer::none || r.length == 0)
        return execute(r);
    if (r.length > group_.max_io_size())
        return abort_request(r, sc::data_sgl_length_invalid.with_dnr());
    data_location location;
    if (const nvme::status parsed = parse_sgl(r.command, r.in_capsule, r.length, r.transfer, location); !parsed.ok())
        return abort_request(r, parsed);
    if (location.capsule_offset) {
        if (r.has_digest_error)
            return abort_request(r, sc::transient_transport_error);
        r.segments[0] = {r.data + *location.capsule_offset, r.length};
        r.segment_count = 1;
        return execute(r);
    }
    // What else came with the capsule is of no use to this command.
    release_buffer(r);
    r.has_digest_error = false;
    find_buffer(r);
}

void qpair::execute(request& r) noexcept {
    r.at = request::step::executing;
    if (r.starts_when_executed())
        buffers_.transfer_to(r.buffer, core::buffer_user::ns);
    group_.target().execute(r);
}

void qpair::respond(nvmf::request& done) noexcept {
    auto& r = static_cast<request&>(done);
    assert(r.at == request::step::executing);
    if (!connected_ && !broken_ && nvme::is_connect(r.command) && r.status().ok())
        connected(std::bit_cast<nvme::connect_command>(r.command).sqsize + 1u);
    buffers_.transfer_to(r.buffer, core::buffer_user::host);
    send_response(r, r.has_data_for_host() && r.length > 0);
}

/// The target has let the host in, and has read what Connect said.
void qpair::connected(std::uint32_t entries) noexcept {
    connected_ = true;
    permit->connected();
    sq_size_ = entries;
    if (!requests_.allow(entries)) {
        log_violation("no memory for its commands");
        disconnect(nvmf::disconnect_reason::transport_error);
    }
}

/// Of a command that the target has not begun, or has had back. The completion's dw0 and dw1 stand.
void qpair::respond_with_status(request& r, nvme::status s) noexcept {
    r.set_status(s);
    send_response(r, false);
}

void qpair::abort_request(request& r, nvme::status s) noexcept {
    group_.target().abandon(r);
    respond_with_status(r, s);
}

/// The same without an answer.
void qpair::abandon_request(request& r) noexcept {
    group_.target().abandon(r);
    complete_request(r);
}

void qpair::send_response(request& r, bool with_data) noexcept {
    if (!with_data)
        release_buffer(r);
    if (broken_)
        return complete_request(r);
    sqhd_ = static_cast<std::uint16_t>((sqhd_ + 1u) % sq_size_);
    const bool header_digest = reader_.negotiated.header_digest;
    r.at = request::step::sending;
    r.out.clear();
    bool success = false;
    if (with_data) {
        // Without a CapsuleResp the host does not get SQHD, nor results other than data.
        success = group_.c2h_success() && !sq_flow_control() && r.completion.result64() == 0;
        nvme::tcp_data h{};
        h.common.type = nvme::to_underlying(nvme::tcp_pdu_type::c2h_data);
        h.common.flags = static_cast<std::uint8_t>(nvme::tcp_last_pdu | (success ? nvme::tcp_success : 0));
        h.cccid = r.command.cid;
        h.datal = r.length;
        r.out.add(h, header_digest, reader_.negotiated.data_digest, data_alignment_, {r.data, r.length});
    }
    if (!success) {
        nvme::tcp_capsule_resp h{};
        h.common.type = nvme::to_underlying(nvme::tcp_pdu_type::capsule_resp);
        h.cqe = r.completion;
        h.cqe.cid = r.command.cid;
        h.cqe.sqid = std::uint16_t{0};
        h.cqe.sqhd = sq_flow_control() ? sqhd_ : nvme::sqhd_without_flow_control;
        h.cqe.set_status(r.status());
        r.out.add(h, header_digest);
    }
    enqueue(r);
}

void qpair::complete_request(request& r) noexcept {
    release_buffer(r);
    requests_.release(r);
}

void qpair::log_violation(std::string_view what) noexcept {
    static core::log::limiter limit;
    if (!stopping_)
        core::log::peer_warning(limit, "tcp: {}: {}", peer_.text(), what);
}

void qpair::disconnect(nvmf::disconnect_reason why) noexcept {
    if (why == nvmf::disconnect_reason::transport_error)
        broken_ = true;
    if (std::exchange(stopping_, true))
        return;
    set_disconnecting();
    connect_limit_.cancel();
    on_closed_by_us_(why);
}

bool qpair::abort_waiting(std::uint16_t cid) noexcept {
    return requests_.any_of([&](request& r) {
        // One that has asked its host for data cannot be taken back: they are on their way.
        if (r.command.cid != cid || r.at != request::step::waiting_buffer)
            return false;
        buffers_.cancel(r.buffer);
        abort_request(r, sc::aborted_by_request);
        return true;
    });
}

void qpair::begin_close() noexcept {
    stopping_ = true;
    set_disconnecting();
    connect_limit_.cancel();
    unparsed_ = {};
    buffers_.stop();
    if (request* r = std::exchange(current_, nullptr))
        complete_request(*r);  // the target has never heard of it
    permit->unwatch();
    // Where an R2T is being sent, that comes to its end first: see asked().
    requests_.any_of([&](request& r) {
        if (r.at == request::step::waiting_buffer || (r.at == request::step::receiving && !r.queued)) {
            buffers_.cancel(r.buffer);
            abandon_request(r);
        }
        return false;
    });
}

}  // namespace causeway::tcp
