// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "core/secret.h"

#include <string_view>

namespace causeway::auth {

/// A key as NVMe's interchange formats write it: "<prefix><two digits>:<base64 of the key and its CRC-32>:".
struct key_text {
    unsigned hash;  ///< the number in two digits
    core::secret key;
};

/// EINVAL: it does not have this form, or another prefix, or a number above `last_hash`, which is at most 9. What the
/// error says quotes nothing of the key. Any length of a key passes.
core::result<key_text> parse_key_text(std::string_view text, std::string_view prefix, unsigned last_hash);

}  // namespace causeway::auth
