// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev_nvme/mmio.h"
#include "core/result.h"
#include "core/task.h"

#include <string>

namespace causeway::bdev_nvme {

// A controller's way from whatever state it was left in to ready, and back, by its registers. NVM Express Base
// Specification 2.0, "Controller Initialization" and "Controller Shutdown". Control reactor. `about` is the controller,
// in errors.
//
// Registers say nothing of their own: they are looked at every millisecond until they say what is waited for, or the
// controller's own limit of time has passed (CAP.TO, CRTO).

/// A fused pair takes two entries, and a full queue has one that is free.
inline constexpr std::uint32_t min_queue_entries = 3;

/// Where the admin queues are.
struct admin_memory {
    std::uint64_t submission_address = 0;
    std::uint64_t completion_address = 0;
    std::uint32_t entries = 0;  ///< of each
};

/// What the registers must say before anything else makes sense. ENODEV (all ones: it is gone), ENOTSUP.
core::result<> check_capabilities(const register_file& r, const std::string& about);

/// Ends with CSTS.RDY = 0: the controller has forgotten all queues and touches no memory. ENODEV, ETIMEDOUT.
core::task<core::result<>> disable(register_file r, std::string about);

/// REQUIRES: disabled. Ends with CSTS.RDY = 1. ENODEV, ETIMEDOUT, EIO (fatal status).
core::task<core::result<>> enable(register_file r, admin_memory m, std::string about);

/// A normal shutdown: the controller writes its caches to its medium. `limit`: what it asks for (RTD3E). ENODEV,
/// ETIMEDOUT.
core::task<core::result<>> shut_down(register_file r, core::nanoseconds limit, std::string about);

}  // namespace causeway::bdev_nvme
