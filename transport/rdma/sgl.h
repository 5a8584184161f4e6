// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/command.h"
#include "nvme/status.h"
#include "nvmf/transport.h"

#include <array>
#include <cstdint>
#include <span>

namespace causeway::rdma {

/// A piece of the host's memory.
struct remote_segment {
    std::uint64_t address;
    std::uint32_t key;
    std::uint32_t length;  ///< bytes, never 0
};

inline constexpr unsigned max_descriptors = 16;  ///< MSDBD of Identify Controller

/// Where the data of a command is, as its SGL says.
struct data_location {
    bool in_capsule = false;
    std::uint32_t capsule_offset = 0;  ///< of data in the capsule, from the end of the command
    std::array<remote_segment, max_descriptors> remote;
    unsigned remote_count = 0;
    bool invalidate = false;  ///< the host asks to have `remote[0].key` invalidated by the response
};

/// Reads a command's SGL: NVMe RDMA Transport Specification 1.0, "SGL Support".
///
/// `capsule_data` is what has arrived after the command, `length` what the command moves (not 0) in direction `way`.
/// Nothing in the capsule is trusted; whatever does not fit is a status with Do Not Retry. Pure.
///
/// | type         | subtype              | meaning                                                |
/// |--------------|----------------------|--------------------------------------------------------|
/// | keyed        | address, invalidate  | one piece of host memory                               |
/// | data block   | offset               | data in the capsule, from the host only                |
/// | last segment | offset               | 1 to 16 keyed address descriptors in the capsule       |
nvme::status parse_sgl(const nvme::command& command, std::span<const std::byte> capsule_data, std::uint32_t length,
                       nvmf::transfer way, data_location& out) noexcept;

}  // namespace causeway::rdma
