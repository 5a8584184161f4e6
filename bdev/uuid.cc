// SPDX-License-Identifier: Apache-2.0
#include "bdev/uuid.h"

#include <random>

namespace causeway::bdev {

namespace {

constexpr char digits[] = "0123456789abcdef";

__extension__ using uint128 = unsigned __int128;

// Where the text form has its dashes: before these bytes.
constexpr bool dash_before(std::size_t byte) noexcept {
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

constexpr int digit(char c) noexcept {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

uuid with_version(uuid u, std::uint8_t version) noexcept {
    u[6] = static_cast<std::uint8_t>((u[6] & 0x0f) | version << 4);
    u[8] = static_cast<std::uint8_t>((u[8] & 0x3f) | 0x80);  // the variant of RFC 9562
    return u;
}

uuid from_halves(std::uint64_t high, std::uint64_t low) noexcept {
    uuid u;
    for (unsigned i = 0; i < 8; ++i) {
        u[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i));
        u[8 + i] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
    }
    return u;
}

// The finalizer of MurmurHash3: every bit of the input reaches every bit of the output.
constexpr std::uint64_t mix(std::uint64_t h) noexcept {
    h = (h ^ h >> 33) * 0xff51afd7ed558ccd;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53;
    return h ^ h >> 33;
}

}  // namespace

std::string to_string(const uuid& u) {
    std::string text;
    text.reserve(36);
    for (std::size_t i = 0; i < u.size(); ++i) {
        if (dash_before(i))
            text += '-';
        text += digits[u[i] >> 4];
        text += digits[u[i] & 0xf];
    }
    return text;
}

core::result<uuid> uuid_from(std::string_view text) {
    uuid u;
    std::size_t at = 0;
    for (std::size_t i = 0; i < u.size(); ++i) {
        if (dash_before(i) && (at >= text.size() || text[at++] != '-'))
            return core::fail(EINVAL, "not a UUID", text);
        if (at + 2 > text.size() || digit(text[at]) < 0 || digit(text[at + 1]) < 0)
            return core::fail(EINVAL, "not a UUID", text);
        u[i] = static_cast<std::uint8_t>(digit(text[at]) << 4 | digit(text[at + 1]));
        at += 2;
    }
    if (at != text.size())
        return core::fail(EINVAL, "not a UUID", text);
    return u;
}

uuid random_uuid() {
    std::random_device source;
    const auto word = [&] { return static_cast<std::uint64_t>(source()) << 32 | source(); };
    const std::uint64_t high = word();
    return with_version(from_halves(high, word()), 4);
}

uuid uuid_of_name(std::string_view text) noexcept {
    // FNV-1a in 128 bits, then mixed, for its high bits change little with the last characters.
    uint128 h = static_cast<uint128>(0x6c62272e07bb0142) << 64 | 0x62b821756295c58d;
    constexpr uint128 prime = static_cast<uint128>(0x0000000001000000) << 64 | 0x13b;
    for (char c : text)
        h = (h ^ static_cast<std::uint8_t>(c)) * prime;
    const auto low = static_cast<std::uint64_t>(h);
    const std::uint64_t high = mix(static_cast<std::uint64_t>(h >> 64) ^ mix(low));
    return with_version(from_halves(high, mix(low ^ high)), 8);
}

}  // namespace causeway::bdev
