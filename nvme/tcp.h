// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/command.h"
#include "nvme/endian.h"

#include <cstddef>
#include <cstdint>

// Protocol data units of NVMe over TCP. NVM Express TCP Transport Specification 1.0, "NVMe/TCP PDU Definition".

namespace causeway::nvme {

/// "PDU Type" of the common header.
enum class tcp_pdu_type : std::uint8_t {
    ic_req = 0x00,        ///< host: initialize connection
    ic_resp = 0x01,       ///< controller: likewise
    h2c_term_req = 0x02,  ///< host ends the connection, and says why
    c2h_term_req = 0x03,  ///< the controller does
    capsule_cmd = 0x04,
    capsule_resp = 0x05,
    h2c_data = 0x06,
    c2h_data = 0x07,
    r2t = 0x09,  ///< controller: ready for that part of a command's data
};

// "FLAGS" of the common header. Which of them a PDU has is said with each.
inline constexpr std::uint8_t tcp_header_digest = 1 << 0;
inline constexpr std::uint8_t tcp_data_digest = 1 << 1;
inline constexpr std::uint8_t tcp_last_pdu = 1 << 2;  ///< H2CData, C2HData
inline constexpr std::uint8_t tcp_success = 1 << 3;   ///< C2HData, with LAST_PDU: no CapsuleResp follows

/// "PDU Common Header".
struct tcp_common_header {
    std::uint8_t type;  ///< tcp_pdu_type
    std::uint8_t flags;
    std::uint8_t hlen;  ///< bytes of the PDU's header, without its digest
    std::uint8_t pdo;   ///< where the data begins, in bytes from the beginning of the PDU; 0 where there is none
    le32 plen;          ///< bytes of the whole PDU, padding and digests included
};
static_assert(wire_image<tcp_common_header, 8>);
static_assert(offsetof(tcp_common_header, pdo) == 3);
static_assert(offsetof(tcp_common_header, plen) == 4);

// "DGST" of ICReq and ICResp.
inline constexpr std::uint8_t tcp_enable_header_digest = 1 << 0;
inline constexpr std::uint8_t tcp_enable_data_digest = 1 << 1;

inline constexpr std::uint8_t tcp_max_alignment = 31;  ///< of HPDA and CPDA: data at multiples of 128 bytes

/// "Initialize Connection Request (ICReq)". No digests.
struct tcp_ic_req {
    tcp_common_header common;
    le16 pfv;           ///< PDU format version: 0
    std::uint8_t hpda;  ///< alignment of data that the host gets, in dwords, 0's based
    std::uint8_t dgst;
    le32 maxr2t;  ///< R2Ts outstanding for one command, 0's based
    std::uint8_t reserved16[112];
};
static_assert(wire_image<tcp_ic_req, 128>);
static_assert(offsetof(tcp_ic_req, hpda) == 10);
static_assert(offsetof(tcp_ic_req, maxr2t) == 12);

/// "Initialize Connection Response (ICResp)". No digests.
struct tcp_ic_resp {
    tcp_common_header common;
    le16 pfv;           ///< 0
    std::uint8_t cpda;  ///< alignment of data that the controller gets, in dwords, 0's based
    std::uint8_t dgst;
    le32 maxh2cdata;  ///< bytes of data in one H2CData PDU; a multiple of 4 from 4096
    std::uint8_t reserved16[112];
};
static_assert(wire_image<tcp_ic_resp, 128>);
static_assert(offsetof(tcp_ic_resp, maxh2cdata) == 12);

/// "Fatal Error Status" of both termination requests. Where two are one number, the first is the controller's.
enum class tcp_fatal_error : std::uint16_t {
    invalid_header_field = 0x01,  ///< FEI: offset of the field in the PDU header
    pdu_sequence_error = 0x02,
    header_digest_error = 0x03,  ///< FEI: the digest as it was received
    data_transfer_out_of_range = 0x04,
    data_transfer_limit_exceeded = 0x05,  ///< in H2CTermReq: R2T limit exceeded
    unsupported_parameter = 0x06,         ///< FEI: offset of the field in the PDU header
};

/// "H2CTermReq" and "C2HTermReq". No digests; its data is the header of the PDU at fault, as received.
struct tcp_term_req {
    tcp_common_header common;
    le16 fes;  ///< tcp_fatal_error
    le32 fei;
    std::uint8_t reserved14[10];
};
static_assert(wire_image<tcp_term_req, 24>);
static_assert(offsetof(tcp_term_req, fei) == 10);

inline constexpr std::uint32_t tcp_max_term_data = 128;

/// "Command Capsule PDU (CapsuleCmd)". Flags: both digests. Data, if there is any, is in-capsule data.
struct tcp_capsule_cmd {
    tcp_common_header common;
    nvme::command sqe;
};
static_assert(wire_image<tcp_capsule_cmd, 72>);

/// "Response Capsule PDU (CapsuleResp)". Flags: header digest.
struct tcp_capsule_resp {
    tcp_common_header common;
    completion cqe;
};
static_assert(wire_image<tcp_capsule_resp, 24>);

/// "Host To Controller Data Transfer PDU (H2CData)" and "Controller To Host Data Transfer PDU (C2HData)". Flags: both
/// digests, LAST_PDU, and SUCCESS toward the host.
struct tcp_data {
    tcp_common_header common;
    le16 cccid;  ///< CID of the command
    le16 ttag;   ///< H2CData: of the R2T that it answers; C2HData: reserved
    le32 datao;  ///< bytes from the beginning of the command's data; a multiple of 4
    le32 datal;  ///< bytes of data in this PDU
    std::uint8_t reserved20[4];
};
static_assert(wire_image<tcp_data, 24>);
static_assert(offsetof(tcp_data, ttag) == 10);
static_assert(offsetof(tcp_data, datao) == 12);
static_assert(offsetof(tcp_data, datal) == 16);

/// "Ready to Transfer PDU (R2T)". Flags: header digest.
struct tcp_r2t {
    tcp_common_header common;
    le16 cccid;
    le16 ttag;  ///< chosen by the controller, for the H2CData that come of it
    le32 r2to;  ///< bytes from the beginning of the command's data; a multiple of 4
    le32 r2tl;  ///< bytes
    std::uint8_t reserved20[4];
};
static_assert(wire_image<tcp_r2t, 24>);
static_assert(offsetof(tcp_r2t, r2to) == 12);
static_assert(offsetof(tcp_r2t, r2tl) == 16);

inline constexpr std::uint32_t tcp_digest_size = 4;  ///< bytes, CRC-32C, of header and of data alike

}  // namespace causeway::nvme
