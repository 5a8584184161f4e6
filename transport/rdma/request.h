// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transport/common/request.h"
#include "transport/rdma/sgl.h"

#include <cstdint>
#include <limits>

namespace causeway::rdma {

using common::step;

/// One command of a queue pair, from its capsule to the completion of its response.
struct request final : common::request<request> {
    static constexpr std::uint32_t no_slot = std::numeric_limits<std::uint32_t>::max();

    bool has_data_to_send = false;
    std::uint32_t slot = no_slot;     ///< the receive that it holds
    std::uint32_t capsule_bytes = 0;  ///< that came in it
    std::uint32_t lkey = 0;           ///< of `data`
    data_location location;
    std::uint32_t next_read = 0;          ///< of location.remote
    std::uint32_t read_offset = 0;        ///< in data
    std::uint32_t reads_outstanding = 0;  ///< posted, not retired
};

}  // namespace causeway::rdma
