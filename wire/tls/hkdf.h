// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/secret.h"

#include <cstdint>
#include <openssl/evp.h>
#include <span>
#include <string_view>

namespace causeway::tcp {

using core::secret;

/// As NVMe's PSK interchange format and PSK identities number it.
enum class psk_hash : std::uint8_t { none = 0, sha256 = 1, sha384 = 2 };

/// Bytes. REQUIRES, here and below: not none.
constexpr std::size_t size_of(psk_hash h) noexcept {
    return h == psk_hash::sha384 ? 48 : 32;
}
const EVP_MD* digest_of(psk_hash h) noexcept;

/// Without salt. RFC 5869, "Step 1: Extract".
secret hkdf_extract(psk_hash h, std::span<const unsigned char> key);
/// RFC 5869, "Step 2: Expand".
secret hkdf_expand(psk_hash h, std::span<const unsigned char> extracted, std::string_view info, std::size_t bytes);
/// RFC 8446, "Key Schedule". REQUIRES: label and context fit into their length bytes.
secret hkdf_expand_label(psk_hash h, std::span<const unsigned char> extracted, std::string_view label,
                         std::string_view context, std::size_t bytes);

secret hmac(psk_hash h, std::span<const unsigned char> key, std::string_view text);

}  // namespace causeway::tcp
