// SPDX-License-Identifier: Apache-2.0
#include "wire/tcp/pdu_check.h"

#include <iterator>

namespace causeway::tcp {

namespace {

using nvme::tcp_pdu_type;
using header = nvme::tcp_common_header;

/// What may be sent, by type. A header of no size: nothing.
struct shape {
    tcp_pdu_type type;
    side sender;
    std::uint8_t hlen;
    bool digests;   ///< may carry them, once they are agreed on
    bool has_data;  ///< 0 bytes of it are none, except in H2CData and C2HData
};

constexpr shape shapes[] = {
    {tcp_pdu_type::ic_req, side::host, sizeof(nvme::tcp_ic_req), false, false},
    {tcp_pdu_type::ic_resp, side::controller, sizeof(nvme::tcp_ic_resp), false, false},
    {tcp_pdu_type::h2c_term_req, side::host, sizeof(nvme::tcp_term_req), false, true},
    {tcp_pdu_type::c2h_term_req, side::controller, sizeof(nvme::tcp_term_req), false, true},
    {tcp_pdu_type::capsule_cmd, side::host, sizeof(nvme::tcp_capsule_cmd), true, true},
    {tcp_pdu_type::capsule_resp, side::controller, sizeof(nvme::tcp_capsule_resp), true, false},
    {tcp_pdu_type::h2c_data, side::host, sizeof(nvme::tcp_data), true, true},
    {tcp_pdu_type::c2h_data, side::controller, sizeof(nvme::tcp_data), true, true},
    {},
    {tcp_pdu_type::r2t, side::controller, sizeof(nvme::tcp_r2t), true, false},
};
static_assert([] {
    for (std::size_t i = 0; i < std::size(shapes); ++i)
        if (shapes[i].hlen && nvme::to_underlying(shapes[i].type) != i)
            return false;
    return true;
}());

const shape* shape_of(std::uint8_t type, side sender) noexcept {
    if (type >= std::size(shapes) || shapes[type].hlen == 0 || shapes[type].sender != sender)
        return nullptr;
    return &shapes[type];
}

bool is_initialization(tcp_pdu_type type) noexcept {
    return type == tcp_pdu_type::ic_req || type == tcp_pdu_type::ic_resp;
}

bool is_termination(tcp_pdu_type type) noexcept {
    return type == tcp_pdu_type::h2c_term_req || type == tcp_pdu_type::c2h_term_req;
}

bool is_data(tcp_pdu_type type) noexcept {
    return type == tcp_pdu_type::h2c_data || type == tcp_pdu_type::c2h_data;
}

std::uint32_t max_data(tcp_pdu_type type, const negotiated_params& a) noexcept {
    if (is_data(type))
        return a.max_data;
    return is_termination(type) ? nvme::tcp_max_term_data : a.in_capsule_data;
}

bool digest_after_header(const shape& s, const negotiated_params& a) noexcept {
    return s.digests && a.header_digest;
}

bool digest_after_data(const shape& s, const negotiated_params& a) noexcept {
    return s.digests && a.data_digest;
}

/// A termination request has no PDO: its data follows the header.
std::uint32_t data_begin(const header& h, const shape& s) noexcept {
    return is_termination(s.type) ? s.hlen : h.pdo;
}

}  // namespace

std::optional<violation> check_common_header(const header& h, const negotiated_params& a) noexcept {
    const shape* s = shape_of(h.type, a.sender);
    if (!s)
        return invalid_field(offsetof(header, type));
    // One initialization, before everything else; but a termination request is always allowed.
    if (!is_termination(s->type) && a.initialized == is_initialization(s->type))
        return violation{nvme::tcp_fatal_error::pdu_sequence_error};
    if (h.hlen != s->hlen)
        return invalid_field(offsetof(header, hlen));

    const std::uint32_t header_end = header_size(h, a), plen = h.plen;
    const bool with_data = s->has_data && plen > header_end;
    const std::uint8_t wanted = (digest_after_header(*s, a) ? nvme::tcp_header_digest : 0) |
                                (digest_after_data(*s, a) && with_data ? nvme::tcp_data_digest : 0);
    // A digest that is announced and was not agreed on is as wrong as one that is missing. Without data there is none
    // of it.
    const std::uint8_t meant = nvme::tcp_header_digest | (with_data ? nvme::tcp_data_digest : 0);
    if ((h.flags & meant) != wanted)
        return invalid_field(offsetof(header, flags));
    if (plen < header_end || (!s->has_data && plen != header_end) || (is_data(s->type) && !with_data))
        return invalid_field(offsetof(header, plen));
    if (!with_data)
        return std::nullopt;

    const std::uint32_t begin = data_begin(h, *s), behind = digest_after_data(*s, a) ? nvme::tcp_digest_size : 0;
    if (begin < header_end || (s->digests && begin % ((a.alignment + 1u) * 4) != 0))
        return invalid_field(offsetof(header, pdo));
    if (plen <= begin + behind)
        return invalid_field(offsetof(header, plen));
    if (plen - begin - behind > max_data(s->type, a))
        return is_data(s->type) ? violation{nvme::tcp_fatal_error::data_transfer_limit_exceeded}
                                : invalid_field(offsetof(header, plen));
    return std::nullopt;
}

std::uint32_t header_size(const header& h, const negotiated_params& a) noexcept {
    const shape* s = shape_of(h.type, a.sender);
    return h.hlen + (s && digest_after_header(*s, a) ? nvme::tcp_digest_size : 0);
}

data_extent data_of(const header& h, const negotiated_params& a) noexcept {
    const shape* s = shape_of(h.type, a.sender);
    if (!s || !s->has_data || h.plen <= header_size(h, a))
        return {0, 0, false};
    const bool digest = digest_after_data(*s, a);
    const std::uint32_t begin = data_begin(h, *s);
    return {begin, h.plen - begin - (digest ? nvme::tcp_digest_size : 0), digest};
}

}  // namespace causeway::tcp
