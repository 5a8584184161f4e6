// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "wire/tls/psk_store.h"

#include <memory>
#include <openssl/ssl.h>
#include <vector>

namespace causeway::tcp {

struct tls_deleter {
    void operator()(SSL_CTX* c) const noexcept { SSL_CTX_free(c); }
    void operator()(SSL* s) const noexcept { SSL_free(s); }
};
using ssl_context_ptr = std::unique_ptr<SSL_CTX, tls_deleter>;
using ssl_ptr = std::unique_ptr<SSL, tls_deleter>;

/// What a connection of a target knows of its host. Its address is the application data of its SSL.
struct tls_claim {
    const psk_store& keys;
    std::vector<unsigned char> hello;  ///< the first ClientHello, until the handshake is over
    std::shared_ptr<const psk_store::entry>
        chosen;  ///< the key that the host claims to have; proved by the end of the handshake
};

/// What all encrypted connections of a transport share. Any thread.
class tls_server {
  public:
    explicit tls_server(std::shared_ptr<const psk_store> keys);

    const psk_store& keys() const noexcept { return *keys_; }
    /// That of a new connection. `claim` outlives its handshake.
    ssl_ptr accept(tls_claim& claim) const;

  private:
    const std::shared_ptr<const psk_store> keys_;
    const ssl_context_ptr context_;
};

/// That of a new connection of a host. `psk` outlives its handshake.
ssl_ptr tls_connect(const tls_psk& psk);

}  // namespace causeway::tcp
