// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

namespace causeway::bdev_nvme {

// Registers of a device that was unplugged, or is being reset by another process: where the kernel takes the mapping
// away, an access is a SIGBUS. For windows that are guarded it becomes what a bus does by itself: reads give all ones,
// and writes reach no device (they stay in a page that stands in, and are read back: what the driver asks a device for
// it never writes). Any thread; a few dozens of windows at most (false: no room).

bool guard_registers(std::span<std::byte> window) noexcept;
void unguard_registers(std::span<std::byte> window) noexcept;

}  // namespace causeway::bdev_nvme
