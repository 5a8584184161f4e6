// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev_nvme/identity.h"
#include "core/dma_memory.h"
#include "core/result.h"

#include <vector>

namespace causeway::bdev_nvme {

/// Memory of ours that a controller without enough of its own works in. NVM Express Base Specification 2.0, "Host
/// Memory Buffer". Control reactor. It belongs to the controller until that is disabled.
class host_memory {
  public:
    /// The most memory that a controller gets, however much it prefers.
    static constexpr std::uint64_t max_bytes = std::uint64_t{256} << 20;
    static constexpr std::uint64_t piece_bytes = std::uint64_t{4} << 20;

    /// As much as the controller wishes, or as there is. Error: less than it must have (ENOMEM). Does nothing if it
    /// wants none, or if it was given already.
    core::result<> allocate(const controller_info& f, const std::string& about);

    bool wanted() const noexcept { return !pieces_.empty(); }
    std::uint64_t bytes() const noexcept { return bytes_; }
    /// The list of descriptors: its address, and how many.
    std::uint64_t list_address() const noexcept { return reinterpret_cast<std::uintptr_t>(list_.data()); }
    std::uint32_t list_length() const noexcept { return static_cast<std::uint32_t>(pieces_.size()); }

  private:
    std::vector<core::dma_memory> pieces_;
    core::dma_memory list_;
    std::uint64_t bytes_ = 0;
};

}  // namespace causeway::bdev_nvme
