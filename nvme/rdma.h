// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "nvme/endian.h"

// The private data that two RDMA connection managers exchange before the first capsule.

namespace causeway::nvme {

/// The port that IANA gave NVMe over RDMA and TCP alike.
inline constexpr std::uint16_t nvme_ip_port = 4420;
inline constexpr std::uint16_t discovery_ip_port = 8009;

/// Private data of a connection request. NVMe RDMA Transport Specification 1.0, "RDMA_CM_REQUEST Private Data
/// Format".
struct rdma_cm_request {
    le16 recfmt;   ///< 0
    le16 qid;      ///< 0 is the admin queue
    le16 hrqsize;  ///< the host's receive queue, entries
    le16 hsqsize;  ///< the host's send queue, entries, 0's based
    le16 cntlid;   ///< of the association for an I/O queue; later than revision 1.0 of the fabrics specification
    std::uint8_t reserved10[22];
};
static_assert(wire_image<rdma_cm_request, 32>);
static_assert(offsetof(rdma_cm_request, qid) == 2);
static_assert(offsetof(rdma_cm_request, hrqsize) == 4);
static_assert(offsetof(rdma_cm_request, hsqsize) == 6);
static_assert(offsetof(rdma_cm_request, cntlid) == 8);

/// Private data of an acceptance. NVMe RDMA Transport Specification 1.0, "RDMA_CM_ACCEPT Private Data
/// Format".
struct rdma_cm_accept {
    le16 recfmt;   ///< 0
    le16 crqsize;  ///< the controller's receive queue, entries
    std::uint8_t reserved4[28];
};
static_assert(wire_image<rdma_cm_accept, 32>);
static_assert(offsetof(rdma_cm_accept, crqsize) == 2);

/// NVMe RDMA Transport Specification 1.0, "NVMe RDMA Transport Error codes".
enum class rdma_cm_status : std::uint16_t {
    invalid_private_data_length = 0x01,
    invalid_recfmt = 0x02,
    invalid_qid = 0x03,
    invalid_hsqsize = 0x04,
    invalid_hrqsize = 0x05,
    no_resources = 0x06,
    invalid_ird = 0x07,
    invalid_ord = 0x08,
    invalid_cntlid = 0x09,
};

/// Private data of a rejection. NVMe RDMA Transport Specification 1.0, "RDMA_CM_REJECT Private Data Format".
struct rdma_cm_reject {
    le16 recfmt;  ///< 0
    le16 status;  ///< rdma_cm_status
};
static_assert(wire_image<rdma_cm_reject, 4>);
static_assert(offsetof(rdma_cm_reject, status) == 2);

}  // namespace causeway::nvme
