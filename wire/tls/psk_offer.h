// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "wire/tls/psk.h"

#include <span>
#include <string_view>
#include <vector>

namespace causeway::tcp {

/// A key that a client says it has. RFC 8446, "Pre-Shared Key Extension".
struct psk_offer {
    std::string_view identity;
    std::span<const unsigned char> binder;  ///< proves that the client has the key
};

/// What stands in a ClientHello's extension of that name.
struct psk_offers {
    std::vector<psk_offer> all;
    std::size_t binders_size =
        0;  ///< bytes at the end of the extension, and of the ClientHello, that binders do not cover
};

/// No offers: there are none, or they are malformed. What is returned points into `extension`.
psk_offers read_psk_offers(std::span<const unsigned char> extension);

/// Whether a client with this key, not of an earlier session, has made the binder. `hello`: the first ClientHello of
/// the connection, with its handshake header and without the bytes of binders. RFC 8446, "PSK Binder".
bool binder_fits(const tls_psk& psk, std::span<const unsigned char> hello, std::span<const unsigned char> binder);

}  // namespace causeway::tcp
