// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "nvme/endian.h"

namespace causeway::nvme {

// Messages of in-band authentication, the data of Authentication Send and Authentication Receive. NVM Express Base
// Specification 2.0, "NVMe over Fabrics In-band Authentication".

/// AUTH_TYPE, the first byte of a message.
enum class auth_type : std::uint8_t { common = 0x00, dhchap = 0x01 };

/// AUTH_ID, the second byte of a message. Negotiate and the failures are common messages.
enum class auth_id : std::uint8_t {
    negotiate = 0x00,
    challenge = 0x01,
    reply = 0x02,
    success1 = 0x03,
    success2 = 0x04,
    failure2 = 0xf0,  ///< from the host
    failure1 = 0xf1,  ///< from the controller
};

/// Reason Code of the failures: there is one.
inline constexpr std::uint8_t auth_reason_failed = 0x01;

/// Reason Code Explanation of the failures.
enum class auth_explanation : std::uint8_t {
    failed = 0x01,
    protocol_not_usable = 0x02,
    secure_channel_mismatch = 0x03,
    hash_not_usable = 0x04,
    dh_group_not_usable = 0x05,
    incorrect_payload = 0x06,
    incorrect_message = 0x07,
};

/// Hash functions of DH-HMAC-CHAP, "HashID".
enum class auth_hash : std::uint8_t { sha256 = 1, sha384 = 2, sha512 = 3 };

/// Diffie-Hellman groups of DH-HMAC-CHAP, "DHgID". RFC 7919 defines the finite fields.
enum class auth_dhgroup : std::uint8_t { null = 0, ffdhe2048 = 1, ffdhe3072, ffdhe4096, ffdhe6144, ffdhe8192 };

/// What every message begins with.
struct auth_header {
    std::uint8_t type;  ///< AUTH_TYPE
    std::uint8_t id;    ///< AUTH_ID
    le16 reserved2;
    le16 t_id;  ///< transaction identifier, chosen by the host
};
static_assert(wire_image<auth_header, 6>);
static_assert(offsetof(auth_header, t_id) == 4);

/// "Authentication Protocol Descriptor" of DH-HMAC-CHAP.
struct auth_dhchap_descriptor {
    std::uint8_t authid;  ///< 1
    std::uint8_t reserved1;
    std::uint8_t halen;  ///< entries of `hashes`
    std::uint8_t dhlen;  ///< entries of `dhgroups`
    std::uint8_t hashes[30];
    std::uint8_t dhgroups[30];
};
static_assert(wire_image<auth_dhchap_descriptor, 64>);
static_assert(offsetof(auth_dhchap_descriptor, hashes) == 4);
static_assert(offsetof(auth_dhchap_descriptor, dhgroups) == 34);

inline constexpr std::uint8_t authid_dhchap = 1;

/// "AUTH_Negotiate Message"; NAPD descriptors of 64 bytes follow.
struct auth_negotiate {
    auth_header header;
    std::uint8_t sc_c;  ///< secure channel concatenation; 0: none
    std::uint8_t napd;
};
static_assert(wire_image<auth_negotiate, 8>);

/// "DH-HMAC-CHAP_Challenge Message"; `hl` bytes of challenge and `dhvlen` bytes of g^x mod p follow.
struct auth_challenge {
    auth_header header;
    std::uint8_t hl;
    std::uint8_t reserved7;
    std::uint8_t hashid;
    std::uint8_t dhgid;
    le16 dhvlen;
    le32 seqnum;  ///< S1
};
static_assert(wire_image<auth_challenge, 16>);
static_assert(offsetof(auth_challenge, hashid) == 8);
static_assert(offsetof(auth_challenge, dhvlen) == 10);
static_assert(offsetof(auth_challenge, seqnum) == 12);

/// "DH-HMAC-CHAP_Reply Message"; `hl` bytes of response, `hl` bytes of challenge and `dhvlen` bytes of g^y mod p
/// follow.
struct auth_reply {
    auth_header header;
    std::uint8_t hl;
    std::uint8_t reserved7;
    std::uint8_t cvalid;  ///< 1: the host challenges the controller
    std::uint8_t reserved9;
    le16 dhvlen;
    le32 seqnum;  ///< S2
};
static_assert(wire_image<auth_reply, 16>);
static_assert(offsetof(auth_reply, cvalid) == 8);
static_assert(offsetof(auth_reply, dhvlen) == 10);
static_assert(offsetof(auth_reply, seqnum) == 12);

/// "DH-HMAC-CHAP_Success1 Message"; `hl` bytes of response follow if `rvalid` is 1.
struct auth_success1 {
    auth_header header;
    std::uint8_t hl;
    std::uint8_t reserved7;
    std::uint8_t rvalid;
    std::uint8_t reserved9[7];
};
static_assert(wire_image<auth_success1, 16>);
static_assert(offsetof(auth_success1, rvalid) == 8);

/// "DH-HMAC-CHAP_Success2 Message".
struct auth_success2 {
    auth_header header;
    std::uint8_t reserved6[10];
};
static_assert(wire_image<auth_success2, 16>);

/// "AUTH_Failure1 Message" and "AUTH_Failure2 Message".
struct auth_failure {
    auth_header header;
    std::uint8_t reason;
    std::uint8_t explanation;
};
static_assert(wire_image<auth_failure, 8>);

}  // namespace causeway::nvme
