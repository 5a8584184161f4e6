// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/command.h"
#include "nvme/status.h"
#include "nvmf/transport.h"

#include <cstdint>
#include <optional>

namespace causeway::tcp {

/// Where a command's data is. NVM Express TCP Transport Specification 1.0, "Data Transfers".
struct data_location {
    std::optional<std::uint32_t>
        capsule_offset;  ///< in the capsule's data; nothing: it comes, or goes, in PDUs of its own
};

/// Checks a command's SGL against what came with its capsule (`available` bytes) and what the command moves (`length`,
/// more than 0).
nvme::status parse_sgl(const nvme::command& command, std::uint32_t available, std::uint32_t length, nvmf::transfer way,
                       data_location& out) noexcept;

}  // namespace causeway::tcp
