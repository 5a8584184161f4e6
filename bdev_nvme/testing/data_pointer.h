// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/command.h"
#include "nvme/status.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace causeway::bdev_nvme::testing {

/// A part of the host's memory that a command names.
struct piece {
    std::byte* data;
    std::size_t bytes;
};

/// What decides how a data pointer is read.
struct data_pointer_rules {
    std::size_t page = 4096;  ///< CC.MPS
    std::uint32_t sgls = 0;   ///< of Identify Controller
    bool admin = false;       ///< PRPs alone
};

/// The memory that `c` names for `bytes` of data, in order. NVM Express Base Specification 2.0, "Physical Region Page
/// Entry and List" and "Scatter Gather List (SGL)". Lists are read as the device reads them: from wherever they are
/// said to be.
nvme::status gather(const nvme::command& c, std::size_t bytes, const data_pointer_rules& rules,
                    std::vector<piece>& pieces);

/// Between a run of bytes and the pieces' first `bytes.size()`.
void copy_to(std::span<const piece> pieces, std::span<const std::byte> bytes) noexcept;
void copy_from(std::span<const piece> pieces, std::span<std::byte> bytes) noexcept;

}  // namespace causeway::bdev_nvme::testing
