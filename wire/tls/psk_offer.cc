// SPDX-License-Identifier: Apache-2.0
#include "wire/tls/psk_offer.h"

#include <array>
#include <openssl/crypto.h>
#include <optional>

namespace causeway::tcp {

namespace {

using bytes = std::span<const unsigned char>;

/// Takes vectors off the beginning, each behind its length of `Width` bytes. nullopt: it is longer than what is left.
template <std::size_t Width>
std::optional<bytes> take(bytes& from) {
    if (from.size() < Width)
        return std::nullopt;
    std::size_t length = 0;
    for (std::size_t i = 0; i < Width; ++i)
        length = length << 8 | from[i];
    from = from.subspan(Width);
    if (from.size() < length)
        return std::nullopt;
    const bytes taken = from.first(length);
    from = from.subspan(length);
    return taken;
}

std::string_view text(bytes b) {
    return {reinterpret_cast<const char*>(b.data()), b.size()};
}

}  // namespace

psk_offers read_psk_offers(bytes extension) {
    constexpr std::size_t ticket_age = 4;
    bytes rest = extension;
    auto identities = take<2>(rest);
    const std::size_t binders_size = rest.size();
    auto binders = take<2>(rest);
    if (!identities || !binders || !rest.empty())
        return {};
    psk_offers offers{{}, binders_size};
    while (!identities->empty() && !binders->empty()) {
        const auto identity = take<2>(*identities);
        const auto binder = take<1>(*binders);
        if (!identity || !binder || identities->size() < ticket_age)
            return {};
        *identities = identities->subspan(ticket_age);
        offers.all.push_back({text(*identity), *binder});
    }
    if (!identities->empty() || !binders->empty())
        return {};
    return offers;
}

bool binder_fits(const tls_psk& psk, bytes hello, bytes binder) {
    const auto hash = [&](bytes of) {
        std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
        EVP_Digest(of.data(), of.size(), digest.data(), nullptr, digest_of(psk.hash), nullptr);
        return std::string(text({digest.data(), size_of(psk.hash)}));
    };
    const std::size_t size = size_of(psk.hash);
    const secret early = hkdf_extract(psk.hash, psk.key);
    const secret binder_key = hkdf_expand_label(psk.hash, early, "ext binder", hash({}), size);
    const secret finished_key = hkdf_expand_label(psk.hash, binder_key, "finished", {}, size);
    const secret expected = hmac(psk.hash, finished_key, hash(hello));
    return binder.size() == size && CRYPTO_memcmp(expected.data(), binder.data(), size) == 0;
}

}  // namespace causeway::tcp
