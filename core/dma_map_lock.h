#pragma once

#include <mutex>

namespace causeway::core {

/// Held while DPDK takes memory from the machine or returns it, and while a device gets all of it mapped: a page that came between the walk
/// over the pages and the registration for new ones would be mapped for no device, and what the device writes there would be lost without a
/// word. Any thread, control path; mapping may take some tenths of a second.
std::mutex& dma_map_lock() noexcept;

}  // namespace causeway::core
