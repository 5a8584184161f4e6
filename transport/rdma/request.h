// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/buffer_share.h"
#include "nvmf/transport.h"
#include "transport/rdma/sgl.h"

#include <cstdint>
#include <limits>

namespace causeway::rdma {

/// One command of a queue pair, from its capsule to the completion of its response.
struct request final : nvmf::request {
    enum class step : std::uint8_t {
        free,
        waiting_buffer,  ///< waiting for a data buffer
        waiting_read,    ///< waiting for RDMA READs; some of them may be on their way
        reading,         ///< all RDMA READs are posted
        executing,       ///< the target's
        waiting_send,    ///< waiting for room in the send queue
        sending,         ///< posted; over when the SEND completes
    };
    static constexpr std::uint32_t no_slot = std::numeric_limits<std::uint32_t>::max();

    step at = step::free;
    bool has_data_to_send = false;
    std::uint16_t index = 0;       ///< in its queue pair
    std::uint32_t slot = no_slot;  ///< the receive that it holds
    std::byte* data = nullptr;     ///< in `buffer`, or where the capsule has room for it
    std::uint32_t lkey = 0;
    data_location location;
    std::uint32_t next_read = 0;          ///< of place.remote
    std::uint32_t read_offset = 0;        ///< in data
    std::uint32_t reads_outstanding = 0;  ///< posted, not retired
    core::ticks arrived = 0;

    struct buffer_claim final : core::buffer_share::claim {
        request* owner = nullptr;
    } buffer;

    request* before = nullptr;  ///< fifo's
    request* after = nullptr;
};

}  // namespace causeway::rdma
