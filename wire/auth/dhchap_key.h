// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "wire/auth/algorithms.h"

#include <optional>
#include <string_view>

namespace causeway::auth {

/// A key of a host or of a controller, as an operator has given it.
struct dhchap_key {
    std::optional<auth_hash> transform;  ///< nullopt: the key is used as it is
    secret key;                          ///< 32, 48 or 64 bytes
};

/// "DHHC-1:01:<base64 of the key and its CRC-32>:", as `nvme gen-dhchap-key` writes it. NVM Express Base Specification
/// 2.0, "DH-HMAC-CHAP Secret Representation". EINVAL; what it says quotes nothing of the key.
core::result<dhchap_key> parse_dhchap_key(std::string_view text);

/// What responses are made with. `owner`: the NQN of the host whose key it is, or of the subsystem.
secret transformed(const dhchap_key& k, std::string_view owner);

}  // namespace causeway::auth
