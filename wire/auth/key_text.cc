// SPDX-License-Identifier: Apache-2.0
#include "wire/auth/key_text.h"

#include "nvme/endian.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <isa-l/crc.h>
#include <openssl/evp.h>
#include <optional>

namespace causeway::auth {

namespace {

/// Text of its alphabet in groups of four, padded; nullopt otherwise.
std::optional<core::secret> from_base64(std::string_view text) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const std::size_t symbols = std::min(text.find('='), text.size());
    const std::size_t padding = text.size() - symbols;
    if (text.empty() || text.size() % 4 != 0 || padding > 2 || text.substr(symbols) != std::string_view("==", padding))
        return std::nullopt;
    if (text.substr(0, symbols).find_first_not_of(alphabet) != text.npos)
        return std::nullopt;
    core::secret decoded(text.size() / 4 * 3);
    EVP_DecodeBlock(decoded.data(), reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
    decoded.resize(decoded.size() - padding);
    return decoded;
}

}  // namespace

core::result<key_text> parse_key_text(std::string_view text, std::string_view prefix, unsigned last_hash) {
    if (!text.starts_with(prefix))
        return core::fail(EINVAL, fmt::format("a key begins with {}", prefix));
    text.remove_prefix(prefix.size());
    if (text.size() < 3 || text[0] != '0' || text[1] < '0' || text[1] > static_cast<char>('0' + last_hash) ||
        text[2] != ':')
        return core::fail(EINVAL, fmt::format("the hash of a key is 00 to {:02}", last_hash));
    const auto hash = static_cast<unsigned>(text[1] - '0');
    text.remove_prefix(3);
    if (!text.ends_with(':'))
        return core::fail(EINVAL, "a key ends with a colon");
    text.remove_suffix(1);
    auto key = from_base64(text);
    if (!key)
        return core::fail(EINVAL, "the key is not written in base64");
    nvme::le32 sum;
    if (key->size() <= sizeof sum)
        return core::fail(EINVAL, "the key is empty");
    const std::size_t length = key->size() - sizeof sum;
    std::memcpy(&sum, key->data() + length, sizeof sum);
    if (sum != ::crc32_gzip_refl(0, key->data(), length))
        return core::fail(EINVAL, "the key does not fit its checksum");
    key->resize(length);
    return key_text{hash, std::move(*key)};
}

}  // namespace causeway::auth
