// SPDX-License-Identifier: Apache-2.0
#include "wire/auth/diffie_hellman.h"

#include <cassert>
#include <new>
#include <openssl/core_names.h>
#include <openssl/dh.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

namespace causeway::auth {

namespace {

using context_ptr = std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)>;

}  // namespace

void ephemeral_key::deleter::operator()(evp_pkey_st* k) const noexcept {
    EVP_PKEY_free(k);
}

ephemeral_key ephemeral_key::generate(auth_dhgroup g) {
    assert(g != auth_dhgroup::null);
    const context_ptr context(EVP_PKEY_CTX_new_from_name(nullptr, "DH", nullptr), EVP_PKEY_CTX_free);
    const OSSL_PARAM params[] = {
        // The library takes a non-const pointer and changes nothing.
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, const_cast<char*>(to_string(g)), 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY* made = nullptr;
    if (!context || EVP_PKEY_keygen_init(context.get()) != 1 || EVP_PKEY_CTX_set_params(context.get(), params) != 1 ||
        EVP_PKEY_generate(context.get(), &made) != 1)
        throw std::bad_alloc();  // the groups are the library's own: nothing else can go wrong
    key_ptr key(made);
    unsigned char* encoded = nullptr;
    const std::size_t n = EVP_PKEY_get1_encoded_public_key(key.get(), &encoded);
    if (n != size_of(g))
        throw std::bad_alloc();
    bytes public_value(encoded, encoded + n);
    OPENSSL_free(encoded);
    return {std::move(key), std::move(public_value)};
}

std::optional<secret> ephemeral_key::shared_secret(byte_view peer) const {
    // The length is checked here: the library would take shorter ones. It checks that the value is neither 0, 1 nor
    // p - 1, nor beyond. RFC 7919, "Client Behavior", and RFC 8446, "Diffie-Hellman".
    if (peer.size() != public_value_.size())
        return std::nullopt;
    const key_ptr other(EVP_PKEY_new());
    const context_ptr context(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr), EVP_PKEY_CTX_free);
    if (!other || !context)
        throw std::bad_alloc();
    secret shared(public_value_.size());
    std::size_t n = shared.size();
    const bool good = EVP_PKEY_copy_parameters(other.get(), key_.get()) == 1 &&
                      EVP_PKEY_set1_encoded_public_key(other.get(), peer.data(), peer.size()) == 1 &&
                      EVP_PKEY_derive_init(context.get()) == 1 && EVP_PKEY_CTX_set_dh_pad(context.get(), 1) == 1 &&
                      EVP_PKEY_derive_set_peer(context.get(), other.get()) == 1 &&
                      EVP_PKEY_derive(context.get(), shared.data(), &n) == 1 && n == shared.size();
    ERR_clear_error();  // the list is the thread's, and the next user of the library would trip over it
    if (!good)
        return std::nullopt;
    return shared;
}

}  // namespace causeway::auth
