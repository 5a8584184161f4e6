// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace causeway::rdma {

/// The kind of a work request.
enum class work_kind : std::uint8_t {
    none,     ///< never posted: a zero or foreign wr_id decodes to it
    receive,  ///< a receive; `index` is its slot
    data,     ///< an unsignaled RDMA READ or WRITE: completes only when it fails
    read,     ///< the last RDMA READ of a run; `retires` counts the run
    send,     ///< the response; `retires` counts it and the RDMA WRITEs before it
};

/// A receive's index names its pool in the bits above these, and its slot there.
inline constexpr unsigned slot_bits = 24;
inline constexpr std::uint32_t slot_mask = (1u << slot_bits) - 1;
inline constexpr std::size_t max_receive_pools = 256;

/// The 64 bits that come back with a completion. Indexes and a generation, never a pointer: whatever a late completion
/// names may be gone.
struct wr_id {
    work_kind kind = work_kind::none;
    std::uint16_t retires = 0;     ///< work requests of the send queue that are over with this completion, below 4096
    std::uint32_t index = 0;       ///< of the pool and the slot, or of the request in its queue pair, below 65536
    std::uint16_t qpair = 0;       ///< slot of the queue pair in its poll group; not for receives
    std::uint16_t generation = 0;  ///< of that slot; not for receives

    constexpr std::uint64_t encode() const noexcept {
        const auto k = std::uint64_t{static_cast<std::uint8_t>(kind)} << 60;
        if (kind == work_kind::receive)
            return k | index;
        return k | std::uint64_t{retires & 0xfffu} << 48 | std::uint64_t{generation} << 32 |
               std::uint64_t{qpair} << 16 | (index & 0xffffu);
    }

    static constexpr wr_id decode(std::uint64_t v) noexcept {
        const auto k = static_cast<work_kind>(v >> 60);
        if (k > work_kind::send || k == work_kind::none)
            return {};
        if (k == work_kind::receive)
            return {k, 0, static_cast<std::uint32_t>(v), 0, 0};
        return {k, static_cast<std::uint16_t>(v >> 48 & 0xfff), static_cast<std::uint32_t>(v & 0xffff),
                static_cast<std::uint16_t>(v >> 16), static_cast<std::uint16_t>(v >> 32)};
    }

    friend constexpr bool operator==(const wr_id&, const wr_id&) = default;
};

}  // namespace causeway::rdma
