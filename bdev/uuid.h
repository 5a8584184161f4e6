// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace causeway::bdev {

using uuid = std::array<std::uint8_t, 16>;

std::string to_string(const uuid& u);
/// "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", in any case. EINVAL.
core::result<uuid> uuid_from(std::string_view text);
/// Random (version 4).
uuid random_uuid();
/// The same for the same text, on every gateway: version 8 of RFC 9562, whose bits are ours to define. They are a
/// 128-bit hash of the text; nothing here needs to resist an attacker.
uuid uuid_of_name(std::string_view text) noexcept;

}  // namespace causeway::bdev
