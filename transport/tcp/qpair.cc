// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/qpair.h"

#include "nvme/fabrics.h"
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

}  // namespace

// Before Connect says how deep the queue is, its head is counted in a number that is as large as any.
qpair::qpair(poll_group& group, common::connection_permit& permit, handshake_result e,
             std::function<void(nvmf::disconnect_reason)> on_closed_by_us)
    : common::qpair<qpair, request>(group, permit, 1u << 16, std::move(e.local), std::move(e.peer),
                                    std::move(on_closed_by_us)),
      group_(group), stream_(std::move(e.stream)), proven_identity_(stream_->proven_identity()),
      data_alignment_(e.data_alignment), max_parts_(std::min(e.max_r2ts, request::max_parts)), reader_(*this),
      unparsed_(std::move(e.first)) {
    port = std::move(e.port);
    reader_.negotiated = e.negotiated;
}

nvmf::host_identity qpair::identity_of(std::string_view hostnqn, std::string_view subnqn) const {
    if (proven_identity_.empty())
        return nvmf::host_identity::unproven;
    return identity_matches(proven_identity_, hostnqn, subnqn) ? nvmf::host_identity::proven
                                                               : nvmf::host_identity::another;
}

qpair::~qpair() = default;

void qpair::begin() noexcept {
    const auto first = std::move(unparsed_);
    unparsed_.clear();
    reader_.feed(first);
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
    term_req_.set(nvme::tcp_pdu_type::c2h_term_req, v, header);
    group_.mark_dirty(*this);
    terminate("a PDU violates the protocol");
}

/// A request for it, and room for what comes with it.
std::variant<std::byte*, violation> qpair::begin_capsule(const pdu& p) noexcept {
    current_ = requests_.take();
    if (!current_) {
        terminate(requests_.exhausted() ? "more commands outstanding than the queue depth"
                                        : "no memory for its commands");
        return violation{nvme::tcp_fatal_error::pdu_sequence_error};
    }
    request& r = *current_;
    r.at = step::arriving;
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
        terminate("no memory for the data of its commands", nvmf::disconnect_reason::transport_error);
        return violation{nvme::tcp_fatal_error::pdu_sequence_error};
    }
    return r.data;
}

/// Its capsule is complete.
void qpair::begin_command(request& r) noexcept {
    group_.stats().requests.add();
    on_begun(r, begin_request(r));
}

inline void qpair::on_begun(request& r, nvme::status begun) noexcept {
    if (!begun.ok())
        return respond_or_defer(r, begun);
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
    release_resources(r);
    r.has_digest_error = false;
    // Unknown hosts get no shared resources of the core.
    if (!connected_ && !make_room(r, r.length))
        return abort_request(r, sc::internal_error);
    if (!connected_ || find_buffer(r))
        on_buffer(r);
}

/// The target has let the host in, and has read what Connect said.
void qpair::on_connected(std::uint32_t entries) noexcept {
    if (connected_ || broken_)
        return;
    connected_ = true;
    if (!requests_.allow(entries))
        terminate("no memory for its commands", nvmf::disconnect_reason::transport_error);
}

void qpair::send_response(request& r, bool with_data) noexcept {
    if (!with_data)
        release_resources(r);
    if (broken_)
        return complete_request(r);
    sq_head_.advance();
    const bool header_digest = reader_.negotiated.header_digest;
    r.at = step::sending;
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
        sq_head_.complete(r);
        h.cqe = r.completion;
        r.out.add(h, header_digest);
    }
    enqueue(r);
}

void qpair::begin_close() noexcept {
    begin_closing();
    unparsed_ = {};
    if (request* r = std::exchange(current_, nullptr))
        complete_request(*r);  // the target has never heard of it
    // Where an R2T is being sent, that comes to its end first: see on_r2t_sent().
    requests_.for_each([this](request& r) {
        if (r.at == step::fetching && !r.queued)
            abandon_request(r);
    });
}

}  // namespace causeway::tcp
