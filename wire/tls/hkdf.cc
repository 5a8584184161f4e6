// SPDX-License-Identifier: Apache-2.0
#include "wire/tls/hkdf.h"

#include <cassert>
#include <memory>
#include <new>
#include <openssl/core_names.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <string>

namespace causeway::tcp {

namespace {

secret hkdf(const char* mode, psk_hash h, std::span<const unsigned char> key, std::string_view info,
            std::size_t bytes) {
    const std::unique_ptr<EVP_KDF, decltype(&EVP_KDF_free)> kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr), EVP_KDF_free);
    const std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)> with(EVP_KDF_CTX_new(kdf.get()), EVP_KDF_CTX_free);
    // The library takes non-const pointers and changes nothing.
    const auto text = [](const char* name, std::string_view value) {
        return OSSL_PARAM_construct_utf8_string(name, const_cast<char*>(value.data()), value.size());
    };
    const auto octets = [](const char* name, const void* value, std::size_t size) {
        return OSSL_PARAM_construct_octet_string(name, const_cast<void*>(value), size);
    };
    const OSSL_PARAM params[] = {
        text(OSSL_KDF_PARAM_MODE, mode),
        text(OSSL_KDF_PARAM_DIGEST, h == psk_hash::sha384 ? "SHA384" : "SHA256"),
        octets(OSSL_KDF_PARAM_KEY, key.data(), key.size()),
        octets(OSSL_KDF_PARAM_INFO, info.data(), info.size()),
        OSSL_PARAM_construct_end(),
    };
    secret derived(bytes);
    if (EVP_KDF_derive(with.get(), derived.data(), derived.size(), params) != 1)
        throw std::bad_alloc();  // lengths are what the callers say: nothing else can go wrong
    return derived;
}

}  // namespace

const EVP_MD* digest_of(psk_hash h) noexcept {
    return h == psk_hash::sha384 ? EVP_sha384() : EVP_sha256();
}

secret hkdf_extract(psk_hash h, std::span<const unsigned char> key) {
    return hkdf("EXTRACT_ONLY", h, key, {}, size_of(h));
}

secret hkdf_expand(psk_hash h, std::span<const unsigned char> extracted, std::string_view info, std::size_t bytes) {
    return hkdf("EXPAND_ONLY", h, extracted, info, bytes);
}

secret hkdf_expand_label(psk_hash h, std::span<const unsigned char> extracted, std::string_view label,
                         std::string_view context, std::size_t bytes) {
    constexpr std::string_view prefix = "tls13 ";
    assert(prefix.size() + label.size() <= 255 && context.size() <= 255);
    std::string info;
    info += static_cast<char>(bytes >> 8);
    info += static_cast<char>(bytes);
    info += static_cast<char>(prefix.size() + label.size());
    info.append(prefix).append(label);
    info += static_cast<char>(context.size());
    info += context;
    return hkdf_expand(h, extracted, info, bytes);
}

secret hmac(psk_hash h, std::span<const unsigned char> key, std::string_view text) {
    secret code(size_of(h));
    unsigned size = 0;
    if (!HMAC(digest_of(h), key.data(), static_cast<int>(key.size()),
              reinterpret_cast<const unsigned char*>(text.data()), text.size(), code.data(), &size))
        throw std::bad_alloc();
    return code;
}

}  // namespace causeway::tcp
