// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/secret.h"
#include "nvme/authentication.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace causeway::auth {

using core::secret;
using nvme::auth_dhgroup;
using nvme::auth_hash;

/// What travels, or is public otherwise.
using bytes = std::vector<unsigned char>;
using byte_view = std::span<const unsigned char>;

// The algorithms of DH-HMAC-CHAP, the weakest first.
inline constexpr std::array all_hashes = {auth_hash::sha256, auth_hash::sha384, auth_hash::sha512};
inline constexpr std::array all_dhgroups = {auth_dhgroup::null,      auth_dhgroup::ffdhe2048, auth_dhgroup::ffdhe3072,
                                            auth_dhgroup::ffdhe4096, auth_dhgroup::ffdhe6144, auth_dhgroup::ffdhe8192};

/// nullopt: there is none of this identifier.
constexpr std::optional<auth_hash> hash_of(std::uint8_t hashid) noexcept {
    if (hashid < nvme::to_underlying(auth_hash::sha256) || hashid > nvme::to_underlying(auth_hash::sha512))
        return std::nullopt;
    return static_cast<auth_hash>(hashid);
}
constexpr std::optional<auth_dhgroup> dhgroup_of(std::uint8_t dhgid) noexcept {
    if (dhgid > nvme::to_underlying(auth_dhgroup::ffdhe8192))
        return std::nullopt;
    return static_cast<auth_dhgroup>(dhgid);
}

// Bytes. REQUIRES, here and below: an enumerator that exists.
constexpr std::size_t size_of(auth_hash h) noexcept {
    return 16 + 16 * std::size_t{nvme::to_underlying(h)};
}
/// Of a public value and of a shared secret; 0 for the NULL group.
constexpr std::size_t size_of(auth_dhgroup g) noexcept {
    constexpr std::array<std::size_t, all_dhgroups.size()> bits = {0, 2048, 3072, 4096, 6144, 8192};
    return bits[nvme::to_underlying(g)] / 8;
}

// As JSON-RPC methods and OpenSSL spell them: "sha256", "null", "ffdhe2048".
const char* to_string(auth_hash h) noexcept;
const char* to_string(auth_dhgroup g) noexcept;

secret digest(auth_hash h, byte_view text);
secret hmac(auth_hash h, byte_view key, byte_view text);

/// In a time that depends on the lengths alone.
bool equal(byte_view a, byte_view b) noexcept;

/// Unpredictable bytes.
bytes random_bytes(std::size_t n);
/// An unpredictable sequence number. Never 0, which stands for none.
std::uint32_t random_sequence_number();

}  // namespace causeway::auth
