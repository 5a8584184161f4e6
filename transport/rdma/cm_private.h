// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/rdma.h"
#include "nvmf/transport.h"

#include <cstdint>
#include <span>
#include <variant>

namespace causeway::rdma {

/// What a host's connection request asks for.
struct connect_request {
    std::uint16_t qid;
    std::uint16_t depth;  ///< the smaller of the host's two queue sizes, at least 2
    std::uint8_t reads;   ///< RDMA READs that it serves at a time
};

/// Reads the private data of a connection request: NVMe RDMA Transport Specification 1.0, "RDMA_CM_REQUEST Private Data
/// Format". `reads` is what the connection manager says of the host's responder. Pure.
std::variant<connect_request, nvme::rdma_cm_status> read_request(std::span<const std::byte> private_data,
                                                                 std::uint8_t reads,
                                                                 const nvmf::transport_options& options) noexcept;

}  // namespace causeway::rdma
