// SPDX-License-Identifier: Apache-2.0
#include "wire/auth/algorithms.h"

#include <new>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

namespace causeway::auth {

namespace {

const EVP_MD* algorithm_of(auth_hash h) noexcept {
    switch (h) {
    case auth_hash::sha256: return EVP_sha256();
    case auth_hash::sha384: return EVP_sha384();
    case auth_hash::sha512: break;
    }
    return EVP_sha512();
}

}  // namespace

const char* to_string(auth_hash h) noexcept {
    constexpr std::array names = {"sha256", "sha384", "sha512"};
    return names[nvme::to_underlying(h) - 1u];
}

const char* to_string(auth_dhgroup g) noexcept {
    constexpr std::array names = {"null", "ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192"};
    return names[nvme::to_underlying(g)];
}

// The library fails here for want of memory alone.

secret digest(auth_hash h, byte_view text) {
    secret result(size_of(h));
    if (EVP_Digest(text.data(), text.size(), result.data(), nullptr, algorithm_of(h), nullptr) != 1)
        throw std::bad_alloc();
    return result;
}

secret hmac(auth_hash h, byte_view key, byte_view text) {
    secret result(size_of(h));
    if (!HMAC(algorithm_of(h), key.data(), static_cast<int>(key.size()), text.data(), text.size(), result.data(),
              nullptr))
        throw std::bad_alloc();
    return result;
}

bool equal(byte_view a, byte_view b) noexcept {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bytes random_bytes(std::size_t n) {
    bytes result(n);
    if (RAND_bytes(result.data(), static_cast<int>(n)) != 1)
        throw std::bad_alloc();
    return result;
}

std::uint32_t random_sequence_number() {
    std::uint32_t number = 0;
    while (number == 0)
        if (RAND_bytes(reinterpret_cast<unsigned char*>(&number), sizeof number) != 1)
            throw std::bad_alloc();
    return number;
}

}  // namespace causeway::auth
