// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "wire/auth/algorithms.h"

#include <cstdint>
#include <string_view>

namespace causeway::auth {

// NVM Express Base Specification 2.0, "DH-HMAC-CHAP Protocol".

/// What both responses of an authentication transaction cover.
struct transaction {
    auth_hash hash;
    std::uint16_t t_id;
    std::string_view hostnqn, subnqn;
};

/// A challenge that the shared secret of a Diffie-Hellman exchange is part of.
secret augmented_challenge(auth_hash h, const secret& shared, byte_view challenge);

/// R1, by which a host proves its key. `key`: transformed(); `challenge`: C1, augmented where there is a group.
secret host_response(const transaction& t, const secret& key, byte_view challenge, std::uint32_t s1);
/// R2, by which a controller proves its key. `challenge`: C2, likewise.
secret controller_response(const transaction& t, const secret& key, byte_view challenge, std::uint32_t s2);

}  // namespace causeway::auth
