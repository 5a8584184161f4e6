// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "wire/tcp/stream.h"
#include "wire/tls/psk_store.h"

#include <memory>

namespace causeway::tcp {

class tls_server;

/// What all encrypted connections of a transport share. Any thread.
std::shared_ptr<tls_server> make_tls_server(std::shared_ptr<const psk_store> keys);

/// TLS 1.3 with pre-shared keys and nothing else: NVM Express TCP Transport Specification 1.0, "Transport Layer
/// Security". Makes `socket` non-blocking and takes it.
///
/// receive() drives the handshake; until it is over nothing is received or sent, and the peer has proved nothing. The
/// stream breaks if the peer cannot prove a key of the store.
std::unique_ptr<stream> make_tls_server_stream(int socket, std::shared_ptr<tls_server> context);

/// The other end. Both receive() and send() drive the handshake.
std::unique_ptr<stream> make_tls_client_stream(int socket, tls_psk psk);

}  // namespace causeway::tcp
