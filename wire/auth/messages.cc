// SPDX-License-Identifier: Apache-2.0
#include "wire/auth/messages.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace causeway::auth {

namespace {

using nvme::auth_id;
using nvme::auth_type;

constexpr auth_type type_of(auth_id id) noexcept {
    const bool is_common = id == auth_id::negotiate || id == auth_id::failure1 || id == auth_id::failure2;
    return is_common ? auth_type::common : auth_type::dhchap;
}

nvme::auth_header header_of(auth_id id, std::uint16_t t_id) noexcept {
    return {nvme::to_underlying(type_of(id)), nvme::to_underlying(id), {}, t_id};
}

/// A message from its front to its end.
class reader {
  public:
    explicit reader(byte_view message) noexcept : rest_(message) {}

    /// A structure; false: there is not so much left.
    template <class T>
    bool take(T& to) noexcept {
        if (rest_.size() < sizeof to)
            return false;
        std::memcpy(&to, rest_.data(), sizeof to);
        rest_ = rest_.subspan(sizeof to);
        return true;
    }
    bool take(bytes& to, std::size_t n) {
        if (rest_.size() < n)
            return false;
        to.assign(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(n));
        rest_ = rest_.subspan(n);
        return true;
    }

  private:
    byte_view rest_;
};

template <class T>
bytes raw(const T& t) {
    static_assert(nvme::wire_image<T, sizeof(T)>);
    bytes b(sizeof t);
    std::memcpy(b.data(), &t, sizeof t);
    return b;
}

void append(bytes& to, const bytes& part) {
    to.insert(to.end(), part.begin(), part.end());
}

/// The fixed part of a message of kind `id`.
template <class T>
bool take_fixed(reader& from, auth_id id, T& to) noexcept {
    return from.take(to) && to.header.id == nvme::to_underlying(id) &&
           to.header.type == nvme::to_underlying(type_of(id));
}

std::uint8_t length_byte(const bytes& b) noexcept {
    assert(b.size() <= 0xff);
    return static_cast<std::uint8_t>(b.size());
}

}  // namespace

bool message_header::is(auth_id wanted) const noexcept {
    return id == wanted && type == type_of(wanted);
}

std::optional<message_header> read_header(byte_view message) noexcept {
    nvme::auth_header h;
    if (!reader(message).take(h))
        return std::nullopt;
    return message_header{static_cast<auth_type>(h.type), static_cast<auth_id>(h.id), h.t_id};
}

std::optional<negotiate> read_negotiate(byte_view message) {
    reader from(message);
    nvme::auth_negotiate fixed;
    if (!take_fixed(from, auth_id::negotiate, fixed))
        return std::nullopt;
    negotiate m{.t_id = fixed.header.t_id, .sc_c = fixed.sc_c};
    for (unsigned i = 0; i < fixed.napd; ++i) {
        nvme::auth_dhchap_descriptor d;
        if (!from.take(d))
            return std::nullopt;
        if (d.authid != nvme::authid_dhchap || m.offers_dhchap)
            continue;
        if (d.halen > sizeof d.hashes || d.dhlen > sizeof d.dhgroups)
            return std::nullopt;
        m.offers_dhchap = true;
        m.hashes.assign(d.hashes, d.hashes + d.halen);
        m.dhgroups.assign(d.dhgroups, d.dhgroups + d.dhlen);
    }
    return m;
}

bytes write(const negotiate& m) {
    nvme::auth_dhchap_descriptor d{};
    assert(m.hashes.size() <= sizeof d.hashes && m.dhgroups.size() <= sizeof d.dhgroups);
    d.authid = nvme::authid_dhchap;
    d.halen = length_byte(m.hashes);
    d.dhlen = length_byte(m.dhgroups);
    std::ranges::copy(m.hashes, d.hashes);
    std::ranges::copy(m.dhgroups, d.dhgroups);
    bytes b = raw(nvme::auth_negotiate{header_of(auth_id::negotiate, m.t_id), m.sc_c, m.offers_dhchap});
    if (m.offers_dhchap)
        append(b, raw(d));
    return b;
}

std::optional<challenge> read_challenge(byte_view message) {
    reader from(message);
    nvme::auth_challenge fixed;
    if (!take_fixed(from, auth_id::challenge, fixed))
        return std::nullopt;
    challenge m{.t_id = fixed.header.t_id, .hashid = fixed.hashid, .dhgid = fixed.dhgid, .seqnum = fixed.seqnum};
    if (!from.take(m.value, fixed.hl) || !from.take(m.public_value, fixed.dhvlen))
        return std::nullopt;
    return m;
}

bytes write(const challenge& m) {
    nvme::auth_challenge fixed{};
    fixed.header = header_of(auth_id::challenge, m.t_id);
    fixed.hl = length_byte(m.value);
    fixed.hashid = m.hashid;
    fixed.dhgid = m.dhgid;
    fixed.dhvlen = static_cast<std::uint16_t>(m.public_value.size());
    fixed.seqnum = m.seqnum;
    bytes b = raw(fixed);
    append(b, m.value);
    append(b, m.public_value);
    return b;
}

std::optional<reply> read_reply(byte_view message) {
    reader from(message);
    nvme::auth_reply fixed;
    if (!take_fixed(from, auth_id::reply, fixed) || fixed.cvalid > 1)
        return std::nullopt;
    reply m{.t_id = fixed.header.t_id, .challenges_controller = fixed.cvalid == 1, .seqnum = fixed.seqnum};
    if (!from.take(m.response, fixed.hl) || !from.take(m.value, fixed.hl) || !from.take(m.public_value, fixed.dhvlen))
        return std::nullopt;
    return m;
}

bytes write(const reply& m) {
    assert(m.response.size() == m.value.size());
    nvme::auth_reply fixed{};
    fixed.header = header_of(auth_id::reply, m.t_id);
    fixed.hl = length_byte(m.response);
    fixed.cvalid = m.challenges_controller;
    fixed.dhvlen = static_cast<std::uint16_t>(m.public_value.size());
    fixed.seqnum = m.seqnum;
    bytes b = raw(fixed);
    append(b, m.response);
    append(b, m.value);
    append(b, m.public_value);
    return b;
}

std::optional<success1> read_success1(byte_view message) {
    reader from(message);
    nvme::auth_success1 fixed;
    if (!take_fixed(from, auth_id::success1, fixed) || fixed.rvalid > 1)
        return std::nullopt;
    success1 m{.t_id = fixed.header.t_id, .hash_length = fixed.hl};
    if (fixed.rvalid == 1 && !from.take(m.response, fixed.hl))
        return std::nullopt;
    return m;
}

bytes write(const success1& m) {
    nvme::auth_success1 fixed{};
    fixed.header = header_of(auth_id::success1, m.t_id);
    fixed.hl = m.hash_length;
    fixed.rvalid = !m.response.empty();
    bytes b = raw(fixed);
    append(b, m.response);
    return b;
}

bytes write_success2(std::uint16_t t_id) {
    return raw(nvme::auth_success2{header_of(auth_id::success2, t_id), {}});
}

std::optional<failure> read_failure(byte_view message) noexcept {
    reader from(message);
    nvme::auth_failure fixed;
    if (!from.take(fixed) || fixed.header.type != nvme::to_underlying(auth_type::common))
        return std::nullopt;
    const auto id = static_cast<auth_id>(fixed.header.id);
    if (id != auth_id::failure1 && id != auth_id::failure2)
        return std::nullopt;
    return failure{id, fixed.header.t_id, static_cast<nvme::auth_explanation>(fixed.explanation)};
}

bytes write(const failure& m) {
    return raw(
        nvme::auth_failure{header_of(m.id, m.t_id), nvme::auth_reason_failed, nvme::to_underlying(m.explanation)});
}

const char* to_string(nvme::auth_explanation e) noexcept {
    switch (e) {
    case nvme::auth_explanation::failed: return "authentication failed";
    case nvme::auth_explanation::protocol_not_usable: return "the authentication protocol cannot be used";
    case nvme::auth_explanation::secure_channel_mismatch: return "secure channel concatenation does not match";
    case nvme::auth_explanation::hash_not_usable: return "the hash function cannot be used";
    case nvme::auth_explanation::dh_group_not_usable: return "the Diffie-Hellman group cannot be used";
    case nvme::auth_explanation::incorrect_payload: return "the message is malformed";
    case nvme::auth_explanation::incorrect_message: return "the message is not the one that was expected";
    }
    return "for a reason without a name";
}

}  // namespace causeway::auth
