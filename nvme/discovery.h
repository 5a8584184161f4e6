// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "nvme/endian.h"

namespace causeway::nvme {

/// NVMe over Fabrics 1.1, "Discovery Log Page Entry", TRTYPE.
enum class transport_type : std::uint8_t {
    rdma = 1,
    fc = 2,
    tcp = 3,
    intra_host = 254,
};

/// NVMe over Fabrics 1.1, "Discovery Log Page Entry", ADRFAM.
enum class address_family : std::uint8_t {
    none = 0,
    ipv4 = 1,
    ipv6 = 2,
    ib = 3,
    fc = 4,
    intra_host = 254,
};

/// NVMe over Fabrics 1.1, "Discovery Log Page Entry", SUBTYPE.
enum class subsystem_type : std::uint8_t {
    referral = 1,           ///< another discovery service
    nvm = 2,                ///< a subsystem with namespaces
    current_discovery = 3,  ///< the discovery subsystem that answers; NVM Express Base Specification 2.0
};

/// TREQ bits 1:0: whether the entry wants a secure channel.
enum class secure_channel : std::uint8_t { not_specified = 0, required = 1, not_required = 2 };

/// TREQ bit 2: the controller can do without submission queue flow control.
inline constexpr std::uint8_t treq_disable_sq_flow_control = 1 << 2;

/// EFLAGS. NVM Express Base Specification 2.0, "Discovery Log Page Entry".
inline constexpr std::uint16_t eflags_duplicate_returned_information = 1 << 0;
inline constexpr std::uint16_t eflags_explicit_persistent_connection = 1 << 1;
inline constexpr std::uint16_t eflags_no_cdc_connectivity = 1 << 2;

/// NVMe RDMA Transport Specification 1.0, "Transport Specific Address Subtype Definition", QPTYPE.
enum class rdma_qp_type : std::uint8_t { reliable_connected = 1, reliable_datagram = 2 };

/// NVMe RDMA Transport Specification 1.0, RDMA_PRTYPE.
enum class rdma_provider : std::uint8_t { none = 1, infiniband = 2, roce = 3, roce_v2 = 4, iwarp = 5 };

/// NVMe RDMA Transport Specification 1.0, RDMA_CMS.
enum class rdma_connection_service : std::uint8_t { rdma_cm = 1 };

/// NVMe RDMA Transport Specification 1.0, "Transport Specific Address Subtype Definition for RDMA".
struct rdma_tsas {
    std::uint8_t qptype;
    std::uint8_t prtype;
    std::uint8_t cms;
    std::uint8_t reserved3[5];
    le16 pkey;
    std::uint8_t reserved10[246];
};
static_assert(wire_image<rdma_tsas, 256>);
static_assert(offsetof(rdma_tsas, cms) == 2);
static_assert(offsetof(rdma_tsas, pkey) == 8);

/// NVMe TCP Transport Specification 1.0, SECTYPE.
enum class tcp_security : std::uint8_t { none = 0, tls12 = 1, tls13 = 2 };

/// NVMe TCP Transport Specification 1.0, "Transport Specific Address Subtype Definition for TCP".
struct tcp_tsas {
    std::uint8_t sectype;
    std::uint8_t reserved1[255];
};
static_assert(wire_image<tcp_tsas, 256>);

/// LSP bit of the Discovery log page: the host asks for extended entries. The same bit of DLPF says that the page has
/// them, and that of LIDSP that it can. NVM Express Base Specification 2.0, "Discovery Log Page".
inline constexpr std::uint8_t discovery_log_extended_entries = 1 << 0;

/// Head of the Discovery log page (LID 70h); `numrec` entries follow. NVM Express Base Specification 2.0, "Discovery
/// Log Page".
struct discovery_log_header {
    le64 genctr;  ///< one more for every change of the page; a host that sees it move starts over
    le64 numrec;
    le16 recfmt;        ///< 0
    std::uint8_t dlpf;  ///< which options of the command the page follows
    std::uint8_t reserved19;
    le32 tdlpl;  ///< bytes of the whole page; 0: not reported
    std::uint8_t reserved24[1000];
};
static_assert(wire_image<discovery_log_header, 1024>);
static_assert(offsetof(discovery_log_header, numrec) == 8);
static_assert(offsetof(discovery_log_header, recfmt) == 16);
static_assert(offsetof(discovery_log_header, dlpf) == 18);
static_assert(offsetof(discovery_log_header, tdlpl) == 20);

/// NVMe over Fabrics 1.1, "Discovery Log Page Entry"; EFLAGS as of NVM Express Base Specification 2.0.
struct discovery_log_entry {
    std::uint8_t trtype;
    std::uint8_t adrfam;
    std::uint8_t subtype;
    std::uint8_t treq;
    le16 portid;
    le16 cntlid;  ///< FFFFh: dynamic controller model
    le16 asqsz;   ///< admin submission queue, entries
    le16 eflags;
    std::uint8_t reserved12[20];
    char trsvcid[32];  ///< ASCII, padded with spaces
    std::uint8_t reserved64[192];
    char subnqn[256];        ///< NUL terminated
    char traddr[256];        ///< ASCII, padded with spaces
    std::uint8_t tsas[256];  ///< rdma_tsas or tcp_tsas
};
static_assert(wire_image<discovery_log_entry, 1024>);
static_assert(offsetof(discovery_log_entry, portid) == 4);
static_assert(offsetof(discovery_log_entry, cntlid) == 6);
static_assert(offsetof(discovery_log_entry, asqsz) == 8);
static_assert(offsetof(discovery_log_entry, eflags) == 10);
static_assert(offsetof(discovery_log_entry, trsvcid) == 32);
static_assert(offsetof(discovery_log_entry, subnqn) == 256);
static_assert(offsetof(discovery_log_entry, traddr) == 512);
static_assert(offsetof(discovery_log_entry, tsas) == 768);

/// What follows a discovery_log_entry in an extended one; `numexat` attributes follow. NVM Express Base Specification
/// 2.0, "Extended Discovery Log Page Entry".
struct extended_discovery_entry_tail {
    le32 tel;  ///< bytes of the whole entry, with its attributes
    le16 numexat;
    std::uint8_t reserved6[2];
};
static_assert(wire_image<extended_discovery_entry_tail, 8>);
static_assert(offsetof(extended_discovery_entry_tail, numexat) == 4);

/// EXATTYPE.
enum class extended_attribute_type : std::uint16_t { host_identifier = 1, admin_label = 2 };

/// Head of an extended attribute; its value follows. NVM Express Base Specification 2.0, "Extended Attribute Format".
struct extended_attribute_header {
    le16 exattype;
    le16 exatlen;  ///< bytes of the value: a multiple of 4
};
static_assert(wire_image<extended_attribute_header, 4>);

}  // namespace causeway::nvme
