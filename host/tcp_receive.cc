// SPDX-License-Identifier: Apache-2.0
#include "host/tcp_queue_pair.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

// What a controller sends, and what of it breaks the protocol. NVM Express TCP Transport Specification 1.0, "NVMe/TCP
// PDU Definition" and "NVMe/TCP Transport Errors".

namespace causeway::host {

using nvme::tcp_fatal_error;
using nvme::tcp_pdu_type;
using tcp::violation;

namespace {

/// The piece of `data` that has all of these bytes; nullptr: they are in several.
std::byte* in_one_piece(std::span<const iovec> data, std::uint32_t offset, std::uint32_t length) noexcept {
    for (const iovec& piece : data) {
        if (offset < piece.iov_len)
            return piece.iov_len - offset >= length ? static_cast<std::byte*>(piece.iov_base) + offset : nullptr;
        offset -= static_cast<std::uint32_t>(piece.iov_len);
    }
    return nullptr;
}

void scatter(std::span<const iovec> data, std::uint32_t offset, std::span<const std::byte> bytes) noexcept {
    for (const iovec& piece : data) {
        if (offset >= piece.iov_len) {
            offset -= static_cast<std::uint32_t>(piece.iov_len);
            continue;
        }
        const std::size_t n = std::min(piece.iov_len - offset, bytes.size());
        std::memcpy(static_cast<std::byte*>(piece.iov_base) + offset, bytes.data(), n);
        offset = 0;
        bytes = bytes.subspan(n);
    }
}

std::string_view name_of(tcp_fatal_error e) noexcept {
    switch (e) {
    case tcp_fatal_error::invalid_header_field: return "invalid PDU header field";
    case tcp_fatal_error::pdu_sequence_error: return "PDU sequence error";
    case tcp_fatal_error::header_digest_error: return "header digest error";
    case tcp_fatal_error::data_transfer_out_of_range: return "data transfer out of range";
    case tcp_fatal_error::data_transfer_limit_exceeded: return "data transfer limit exceeded";
    case tcp_fatal_error::unsupported_parameter: return "unsupported parameter";
    }
    return "unknown error";
}

}  // namespace

/// Receives with one system call. Returns how many requests that finished.
unsigned tcp_queue_pair::receive() noexcept {
    finished_ = 0;
    do {
        const auto destination = reader_.destination();
        const std::array<iovec, 2> to = {iovec{destination.data(), destination.size()},
                                         iovec{scratch_.get(), scratch_bytes}};
        const auto [n, after] = stream_->receive(destination.empty() ? std::span(to).subspan(1) : std::span(to));
        if (after != tcp::stream::state::open) {
            lose(after == tcp::stream::state::ended ? "the controller closed the connection"
                                                    : "the connection was lost");
            break;
        }
        const std::size_t in_place = std::min(n, destination.size());
        if (in_place)
            reader_.received_in_place(in_place);
        if (n > in_place)
            reader_.feed({scratch_.get(), n - in_place});
    } while (phase_ != phase::lost && stream_->holds_more());
    return finished_;
}

tcp_queue_pair::slot* tcp_queue_pair::outstanding_slot(std::uint16_t cid) noexcept {
    const unsigned index = cid & slot_mask_;
    if (index >= slots_.size() || slots_[index].cid != cid || !slots_[index].r)
        return nullptr;
    return &slots_[index];
}

std::variant<std::byte*, violation> tcp_queue_pair::begin(const tcp::pdu& p) noexcept {
    switch (static_cast<tcp_pdu_type>(p.common().type)) {
    case tcp_pdu_type::ic_resp:
        if (const auto wrong = take_ic_resp(p.as<nvme::tcp_ic_resp>()))
            return *wrong;
        return nullptr;
    case tcp_pdu_type::capsule_resp: {
        const slot* s = outstanding_slot(p.as<nvme::tcp_capsule_resp>().cqe.cid);
        if (!s || s->is_answered)
            return tcp::invalid_field(offsetof(nvme::tcp_capsule_resp, cqe) + offsetof(nvme::completion, cid));
        return nullptr;
    }
    case tcp_pdu_type::c2h_data: return begin_data(p.as<nvme::tcp_data>(), p.data_length());
    case tcp_pdu_type::r2t:
        if (const auto wrong = take_r2t(p.as<nvme::tcp_r2t>()))
            return *wrong;
        return nullptr;
    case tcp_pdu_type::c2h_term_req: return term_data_.data();
    default: return violation{tcp_fatal_error::pdu_sequence_error};  // the reader lets no others pass
    }
}

bool tcp_queue_pair::end(const tcp::pdu& p, bool intact) noexcept {
    switch (static_cast<tcp_pdu_type>(p.common().type)) {
    case tcp_pdu_type::capsule_resp: {
        const nvme::completion& c = p.as<nvme::tcp_capsule_resp>().cqe;
        answered(*outstanding_slot(c.cid), c);
        break;
    }
    case tcp_pdu_type::c2h_data: end_data(p.as<nvme::tcp_data>(), intact); break;
    case tcp_pdu_type::c2h_term_req: {
        const auto& t = p.as<nvme::tcp_term_req>();
        lose(fmt::format("the controller ended the connection: {} (FES {:#x}, FEI {:#x})",
                         name_of(static_cast<tcp_fatal_error>(t.fes.value())), t.fes.value(), t.fei.value()));
        break;
    }
    default: break;
    }
    return phase_ != phase::lost;
}

void tcp_queue_pair::violated(const violation& v, std::span<const std::byte> header) noexcept {
    put_term_req(v, header);
    (void)output_.send(*stream_);
    stream_->end_sending();
    lose(fmt::format("the controller violated the protocol: {} (FES {:#x}, FEI {:#x}) in a PDU of type {:#x}",
                     name_of(v.status), nvme::to_underlying(v.status), v.information,
                     header.empty() ? 0 : std::to_integer<unsigned>(header[0])));
}

std::optional<violation> tcp_queue_pair::take_ic_resp(const nvme::tcp_ic_resp& p) noexcept {
    using nvme::tcp_ic_resp;
    if (p.pfv != 0)
        return violation{tcp_fatal_error::unsupported_parameter, offsetof(tcp_ic_resp, pfv)};
    if (p.cpda > nvme::tcp_max_alignment)
        return tcp::invalid_field(offsetof(tcp_ic_resp, cpda));
    // It may do without a digest that was asked for; it may not bring one that was not.
    const std::uint8_t asked = (tcp_.header_digest ? nvme::tcp_enable_header_digest : 0) |
                               (tcp_.data_digest ? nvme::tcp_enable_data_digest : 0);
    if (p.dgst & ~asked)
        return tcp::invalid_field(offsetof(tcp_ic_resp, dgst));
    if (p.maxh2cdata < 4096 || p.maxh2cdata % 4)
        return tcp::invalid_field(offsetof(tcp_ic_resp, maxh2cdata));
    header_digest_ = p.dgst & nvme::tcp_enable_header_digest;
    data_digest_ = p.dgst & nvme::tcp_enable_data_digest;
    alignment_ = (p.cpda + 1u) * 4;
    max_h2c_data_ = p.maxh2cdata;
    reader_.negotiated = {.sender = tcp::side::controller,
                          .initialized = true,
                          .header_digest = header_digest_,
                          .data_digest = data_digest_,
                          .alignment = tcp_.alignment,
                          .in_capsule_data = 0,
                          .max_data = ~std::uint32_t{0}};  // each is held against its command
    timeout_.cancel();
    phase_ = phase::open;
    open_ = true;
    if (greeting_)
        std::exchange(greeting_, nullptr)->set(true);
    return std::nullopt;
}

/// Data comes in order, as it is sent with LAST_PDU: so the end of it is the whole of it.
std::variant<std::byte*, violation> tcp_queue_pair::begin_data(const nvme::tcp_data& p, std::uint32_t length) noexcept {
    slot* const s = outstanding_slot(p.cccid);
    if (!s || s->is_answered || s->direction != nvme::data_transfer::controller_to_host)
        return tcp::invalid_field(offsetof(nvme::tcp_data, cccid));
    if (p.datal != length)
        return tcp::invalid_field(offsetof(nvme::tcp_data, datal));
    if (p.datao != s->moved || length > s->length - s->moved)
        return violation{tcp_fatal_error::data_transfer_out_of_range};
    const bool last = p.common.flags & nvme::tcp_last_pdu;
    if (p.common.flags & nvme::tcp_success && !last)
        return tcp::invalid_field(offsetof(nvme::tcp_common_header, flags));
    if (std::byte* const at = in_one_piece(s->r->data, p.datao, length))
        return at;
    bounce_.resize(length);
    return bounce_.data();
}

void tcp_queue_pair::end_data(const nvme::tcp_data& p, bool intact) noexcept {
    slot& s = *outstanding_slot(p.cccid);
    s.has_digest_error |= !intact;
    s.moved += p.datal;
    if (!in_one_piece(s.r->data, p.datao, p.datal))
        scatter(s.r->data, p.datao, bounce_);
    if (p.common.flags & nvme::tcp_success) {
        nvme::completion c{};
        c.sqhd = nvme::sqhd_without_flow_control;
        c.cid = p.cccid;
        answered(s, c);
    }
}

std::optional<violation> tcp_queue_pair::take_r2t(const nvme::tcp_r2t& p) noexcept {
    slot* const s = outstanding_slot(p.cccid);
    if (!s || s->is_answered || s->direction != nvme::data_transfer::host_to_controller || s->in_capsule)
        return tcp::invalid_field(offsetof(nvme::tcp_r2t, cccid));
    if (p.r2tl == 0 || p.r2to != s->moved || p.r2tl > s->length - s->moved)
        return violation{tcp_fatal_error::data_transfer_out_of_range};
    if (s->open_r2t == tcp_.max_r2t)
        return violation{tcp_fatal_error::data_transfer_limit_exceeded};
    ++s->open_r2t;
    s->moved += p.r2tl;
    transfers_.push({p.cccid, p.ttag, p.r2to, p.r2tl});
    return std::nullopt;
}

void tcp_queue_pair::answered(slot& s, const nvme::completion& c) noexcept {
    s.answer = c;
    if (s.has_digest_error)
        s.answer.set_status(nvme::sc::transient_transport_error);
    else if (c.status().ok() && s.moved != s.length)
        s.answer.set_status(nvme::sc::data_transfer_error);  // a success without the data is none
    s.is_answered = true;
    complete_if_done(s);
}

}  // namespace causeway::host
