// SPDX-License-Identifier: Apache-2.0
// Which keys handshakes work with. RFC 8446; NVM Express TCP Transport Specification 1.0, "Transport Layer Security".

#include "wire/tls/tls_context.h"

#include "wire/tls/psk_offer.h"

#include <new>

namespace causeway::tcp {

namespace {

/// Of those that we know. Real hosts offer one or two; each costs a handful of hashes.
constexpr int max_offers = 4;

/// Bytes: four records.
constexpr std::size_t read_buffer = 4 * (16384 + 256 + 5);

const char* cipher_suite_of(psk_hash h) noexcept {
    return h == psk_hash::sha384 ? "TLS_AES_256_GCM_SHA384" : "TLS_AES_128_GCM_SHA256";
}

/// A key as the library wants it. nullptr: no memory.
SSL_SESSION* session_of(SSL* ssl, const tls_psk& psk) noexcept {
    const unsigned char number[] = {0x13, static_cast<unsigned char>(psk.hash == psk_hash::sha384 ? 2 : 1)};
    SSL_SESSION* session = SSL_SESSION_new();
    if (session && SSL_SESSION_set1_master_key(session, psk.key.data(), psk.key.size()) &&
        SSL_SESSION_set_cipher(session, SSL_CIPHER_find(ssl, number)) &&
        SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION))
        return session;
    SSL_SESSION_free(session);
    return nullptr;
}

ssl_context_ptr make_context(const SSL_METHOD* method) {
    ssl_context_ptr c(SSL_CTX_new(method));
    if (!c)
        throw std::bad_alloc();
    SSL_CTX_set_min_proto_version(c.get(), TLS1_3_VERSION);
    SSL_CTX_set_max_proto_version(c.get(), TLS1_3_VERSION);
    SSL_CTX_set_ciphersuites(c.get(), "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256");
    // Sessions are not resumed: a host that has lost its key would come back in without it.
    SSL_CTX_set_options(c.get(), SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(c.get(), 0);
    SSL_CTX_set_session_cache_mode(c.get(), SSL_SESS_CACHE_OFF);
    // One system call for a record, not one for its header and one for the rest.
    SSL_CTX_set_read_ahead(c.get(), 1);
    // And for several where they are there. Idle connections give it back.
    SSL_CTX_set_default_read_buffer_len(c.get(), read_buffer);
    SSL_CTX_set_mode(c.get(), SSL_MODE_RELEASE_BUFFERS);
    return c;
}

tls_claim& claim_of(SSL* ssl) noexcept {
    return *static_cast<tls_claim*>(SSL_get_app_data(ssl));
}

void keep_first_hello(int sent, int, int content_type, const void* data, std::size_t size, SSL* ssl, void*) noexcept {
    const auto* bytes = static_cast<const unsigned char*>(data);
    if (sent || content_type != SSL3_RT_HANDSHAKE || size == 0 || bytes[0] != SSL3_MT_CLIENT_HELLO)
        return;
    if (auto& hello = claim_of(ssl).hello; hello.empty())
        hello.assign(bytes, bytes + size);
}

/// A client with this identity may have one of several keys (psk_reading): the one that has made the binder. If none
/// has, then any, which the library will find does not fit, and say so as it should be said.
std::shared_ptr<const psk_store::entry> choose(const tls_claim& claim, const psk_offers& offers) {
    std::shared_ptr<const psk_store::entry> any;
    const auto hello =
        std::span(claim.hello).first(claim.hello.size() - std::min(claim.hello.size(), offers.binders_size));
    int known = 0;
    for (const psk_offer& offer : offers.all) {
        const auto candidates = claim.keys.find(offer.identity);
        if (candidates.empty())
            continue;
        for (const auto& e : candidates)
            if (binder_fits(e->psk, hello, offer.binder))
                return e;
        any = candidates.front();
        if (++known == max_offers)
            break;
    }
    return any;
}

/// Before the library chooses a cipher suite, which then has to be that of the key.
int look_at_hello(SSL* ssl, int*, void*) noexcept {
    tls_claim& claim = claim_of(ssl);
    const unsigned char* extension = nullptr;
    std::size_t size = 0;
    // Without it the library refuses, for there is no certificate.
    if (!claim.chosen && SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_psk, &extension, &size))
        claim.chosen = choose(claim, read_psk_offers({extension, size}));
    if (claim.chosen)
        SSL_set_ciphersuites(ssl, cipher_suite_of(claim.chosen->psk.hash));
    return SSL_CLIENT_HELLO_SUCCESS;
}

int find_session(SSL* ssl, const unsigned char* identity, std::size_t size, SSL_SESSION** session) noexcept {
    const tls_claim& claim = claim_of(ssl);
    *session = nullptr;
    if (!claim.chosen || claim.chosen->psk.identity != std::string_view(reinterpret_cast<const char*>(identity), size))
        return 1;  // perhaps the next one
    *session = session_of(ssl, claim.chosen->psk);
    return *session != nullptr;
}

int use_session(SSL* ssl, const EVP_MD* hash, const unsigned char** identity, std::size_t* size,
                SSL_SESSION** session) noexcept {
    const auto& psk = *static_cast<const tls_psk*>(SSL_get_app_data(ssl));
    *session = nullptr;
    if (hash && EVP_MD_get_type(hash) != EVP_MD_get_type(digest_of(psk.hash)))
        return 1;  // asked again by a target that wants another one
    *session = session_of(ssl, psk);
    *identity = reinterpret_cast<const unsigned char*>(psk.identity.data());
    *size = psk.identity.size();
    return *session != nullptr;
}

ssl_ptr make_ssl(SSL_CTX* context, void* application_data) {
    ssl_ptr ssl(SSL_new(context));
    if (!ssl)
        throw std::bad_alloc();
    SSL_set_app_data(ssl.get(), application_data);
    return ssl;
}

}  // namespace

tls_server::tls_server(std::shared_ptr<const psk_store> keys)
    : keys_(std::move(keys)), context_(make_context(TLS_server_method())) {
    SSL_CTX_set_msg_callback(context_.get(), keep_first_hello);
    SSL_CTX_set_client_hello_cb(context_.get(), look_at_hello, nullptr);
    SSL_CTX_set_psk_find_session_callback(context_.get(), find_session);
}

ssl_ptr tls_server::accept(tls_claim& claim) const {
    ssl_ptr ssl = make_ssl(context_.get(), &claim);
    SSL_set_accept_state(ssl.get());
    return ssl;
}

ssl_ptr tls_connect(const tls_psk& psk) {
    static const ssl_context_ptr context = [] {
        auto c = make_context(TLS_client_method());
        SSL_CTX_set_psk_use_session_callback(c.get(), use_session);
        // There are no certificates: a target that does not know the key cannot be talked to.
        SSL_CTX_set_verify(c.get(), SSL_VERIFY_PEER, nullptr);
        return c;
    }();
    ssl_ptr ssl = make_ssl(context.get(), const_cast<tls_psk*>(&psk));
    SSL_set_ciphersuites(ssl.get(), cipher_suite_of(psk.hash));
    SSL_set_connect_state(ssl.get());
    return ssl;
}

}  // namespace causeway::tcp
