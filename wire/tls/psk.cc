// SPDX-License-Identifier: Apache-2.0
// NVMe/TCP's pre-shared keys. NVM Express TCP Transport Specification 1.0 and 1.1, "Transport Layer Security".

#include "wire/tls/psk.h"

#include "nvme/endian.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <isa-l/crc.h>

namespace causeway::tcp {

namespace {

constexpr std::string_view version_prefix = "NVMeTLSkey-1:";

/// Text of its alphabet in groups of four, padded; nullopt otherwise.
std::optional<secret> from_base64(std::string_view text) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const std::size_t symbols = std::min(text.find('='), text.size());
    const std::size_t padding = text.size() - symbols;
    if (text.empty() || text.size() % 4 != 0 || padding > 2 || text.substr(symbols) != std::string_view("==", padding))
        return std::nullopt;
    if (text.substr(0, symbols).find_first_not_of(alphabet) != text.npos)
        return std::nullopt;
    secret decoded(text.size() / 4 * 3);
    EVP_DecodeBlock(decoded.data(), reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
    decoded.resize(decoded.size() - padding);
    return decoded;
}

std::string to_base64(std::span<const unsigned char> bytes) {
    std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // and the NUL that the library writes
    EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(), static_cast<int>(bytes.size()));
    text.pop_back();
    return text;
}

secret derive(psk_hash hash, psk_reading reading, const secret& key, std::string_view label, std::string_view context,
              std::size_t bytes) {
    const secret extracted = hkdf_extract(hash, key);
    if (reading == psk_reading::rfc8446)
        return hkdf_expand_label(hash, extracted, label, context, bytes);
    std::string info{static_cast<char>(bytes), static_cast<char>(bytes >> 8)};
    info.append("tls13 ").append(label).append(context);
    return hkdf_expand(hash, extracted, info, bytes);
}

}  // namespace

core::result<configured_psk> parse_psk(std::string_view interchange) {
    std::string_view rest = interchange;
    if (!rest.starts_with(version_prefix))
        return core::fail(EINVAL, "a key begins with NVMeTLSkey-1:");
    rest.remove_prefix(version_prefix.size());
    if (rest.size() < 3 || rest[0] != '0' || rest[1] < '0' || rest[1] > '2' || rest[2] != ':')
        return core::fail(EINVAL, "the hash of a key is 00, 01 or 02");
    const auto hash = static_cast<psk_hash>(rest[1] - '0');
    rest.remove_prefix(3);
    if (!rest.ends_with(':'))
        return core::fail(EINVAL, "a key ends with a colon");
    rest.remove_suffix(1);
    auto bytes = from_base64(rest);
    if (!bytes)
        return core::fail(EINVAL, "the key is not written in base64");
    nvme::le32 sum;
    const std::size_t length = std::max(bytes->size(), sizeof sum) - sizeof sum;
    if (hash == psk_hash::none ? length != 32 && length != 48 : length != size_of(hash))
        return core::fail(EINVAL, "a key has 32 bytes, with SHA-384 48");
    std::memcpy(&sum, bytes->data() + length, sizeof sum);
    if (sum != ::crc32_gzip_refl(0, bytes->data(), length))
        return core::fail(EINVAL, "the key does not fit its checksum");
    bytes->resize(length);
    return configured_psk{hash, std::move(*bytes)};
}

std::optional<tls_psk> derive_tls_psk(const configured_psk& configured, psk_version version, psk_reading reading,
                                      std::string_view hostnqn, std::string_view subnqn) {
    psk_hash hash = configured.hash;
    secret retained = configured.key;
    if (hash == psk_hash::none)
        hash = retained.size() == size_of(psk_hash::sha384) ? psk_hash::sha384 : psk_hash::sha256;
    else
        retained = derive(hash, reading, configured.key, "HostNQN", hostnqn, configured.key.size());

    const auto hash_number = static_cast<int>(hash);
    std::string identity = fmt::format("NVMe{}R{:02} {} {}", static_cast<int>(version), hash_number, hostnqn, subnqn);
    std::string context = identity;
    if (version == psk_version::one) {
        const secret code = hmac(hash, retained, fmt::format("{} {} NVMe-over-Fabrics", hostnqn, subnqn));
        const std::string digest = to_base64(code);
        context = fmt::format("{:02} {}", hash_number, digest);
        identity += " " + digest;
    }
    if (reading == psk_reading::rfc8446 && context.size() > 255)
        return std::nullopt;
    secret key = derive(hash, reading, retained, "nvme-tls-psk", context, size_of(hash));
    return tls_psk{std::move(identity), hash, std::move(key)};
}

std::string proof_of(std::string_view hostnqn, std::string_view subnqn) {
    return fmt::format("{} {}", hostnqn, subnqn);
}

bool identity_matches(std::string_view proven, std::string_view hostnqn, std::string_view subnqn) {
    return proven == proof_of(hostnqn, subnqn);
}

}  // namespace causeway::tcp
