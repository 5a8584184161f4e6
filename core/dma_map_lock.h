// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>

namespace causeway::core {

/// Held while DPDK takes memory from the machine or returns it, and while a device gets all of it mapped. Without it, a
/// page allocated between vfio's walk over the pages and its registration for new ones is mapped for no device, and
/// what the device writes there is lost silently. Any thread, control path; mapping may take some tenths of a second.
std::mutex& dma_map_lock() noexcept;

}  // namespace causeway::core
