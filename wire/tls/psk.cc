// SPDX-License-Identifier: Apache-2.0
// NVMe/TCP's pre-shared keys. NVM Express TCP Transport Specification 1.0 and 1.1, "Transport Layer Security".

#include "wire/tls/psk.h"

#include "nvme/endian.h"
#include "wire/auth/key_text.h"

#include <fmt/format.h>
#include <span>

namespace causeway::tcp {

namespace {

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
    auto parsed = auth::parse_key_text(interchange, "NVMeTLSkey-1:", nvme::to_underlying(psk_hash::sha384));
    if (!parsed)
        return tl::make_unexpected(std::move(parsed.error()));
    const auto hash = static_cast<psk_hash>(parsed->hash);
    const std::size_t length = parsed->key.size();
    if (hash == psk_hash::none ? length != 32 && length != 48 : length != size_of(hash))
        return core::fail(EINVAL, "a key has 32 bytes, with SHA-384 48");
    return configured_psk{hash, std::move(parsed->key)};
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
