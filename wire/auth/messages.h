// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "wire/auth/algorithms.h"

#include <cstdint>
#include <optional>

namespace causeway::auth {

// The messages of DH-HMAC-CHAP, read from what a peer has sent, and written. Readers answer nullopt where a message
// is shorter than it says itself, or of another kind; numbers that a peer chose are not judged. Bytes behind a message
// are ignored. NVM Express Base Specification 2.0, "NVMe over Fabrics In-band Authentication".

/// Longer than any message.
inline constexpr std::size_t max_message_size = 4096;

struct message_header {
    nvme::auth_type type;
    nvme::auth_id id;
    std::uint16_t t_id;

    bool is(nvme::auth_id wanted) const noexcept;  ///< of the type that goes with it
};
std::optional<message_header> read_header(byte_view message) noexcept;

/// AUTH_Negotiate, as far as DH-HMAC-CHAP is concerned.
struct negotiate {
    std::uint16_t t_id = 0;
    std::uint8_t sc_c = 0;
    bool offers_dhchap = false;
    bytes hashes{}, dhgroups{};  ///< identifiers, those that the host prefers first
};
std::optional<negotiate> read_negotiate(byte_view message);
bytes write(const negotiate& m);

struct challenge {
    std::uint16_t t_id = 0;
    std::uint8_t hashid = 0, dhgid = 0;
    std::uint32_t seqnum = 0;
    bytes value{};         ///< C1
    bytes public_value{};  ///< g^x mod p; empty: NULL group
};
std::optional<challenge> read_challenge(byte_view message);
bytes write(const challenge& m);

struct reply {
    std::uint16_t t_id = 0;
    bool challenges_controller = false;  ///< CVALID
    std::uint32_t seqnum = 0;
    bytes response{};      ///< R1
    bytes value{};         ///< C2, as long as the response
    bytes public_value{};  ///< g^y mod p; empty: NULL group
};
std::optional<reply> read_reply(byte_view message);
bytes write(const reply& m);

struct success1 {
    std::uint16_t t_id = 0;
    std::uint8_t hash_length = 0;  ///< HL, which counts without a response, too
    bytes response{};              ///< R2; empty: the host did not challenge the controller
};
std::optional<success1> read_success1(byte_view message);
bytes write(const success1& m);

bytes write_success2(std::uint16_t t_id);

/// AUTH_Failure1 or AUTH_Failure2.
struct failure {
    nvme::auth_id id;
    std::uint16_t t_id = 0;
    nvme::auth_explanation explanation;
};
std::optional<failure> read_failure(byte_view message) noexcept;
bytes write(const failure& m);

/// "the hash function cannot be used". For an explanation that a peer chose, too.
const char* to_string(nvme::auth_explanation e) noexcept;

}  // namespace causeway::auth
