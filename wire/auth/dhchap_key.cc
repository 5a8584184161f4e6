// SPDX-License-Identifier: Apache-2.0
#include "wire/auth/dhchap_key.h"

#include "wire/auth/key_text.h"

#include <string>

namespace causeway::auth {

core::result<dhchap_key> parse_dhchap_key(std::string_view text) {
    auto parsed = parse_key_text(text, "DHHC-1:", nvme::to_underlying(auth_hash::sha512));
    if (!parsed)
        return tl::make_unexpected(std::move(parsed.error()));
    if (const std::size_t n = parsed->key.size(); n != 32 && n != 48 && n != 64)
        return core::fail(EINVAL, "a key has 32, 48 or 64 bytes: make one with nvme gen-dhchap-key");
    return dhchap_key{hash_of(static_cast<std::uint8_t>(parsed->hash)), std::move(parsed->key)};
}

secret transformed(const dhchap_key& k, std::string_view owner) {
    if (!k.transform)
        return k.key;
    const std::string text = std::string(owner) + "NVMe-over-Fabrics";
    return hmac(*k.transform, k.key, {reinterpret_cast<const unsigned char*>(text.data()), text.size()});
}

}  // namespace causeway::auth
