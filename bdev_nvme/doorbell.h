// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev_nvme/mmio.h"

#include <cstdint>

namespace causeway::bdev_nvme {

/// One doorbell: the register, and its shadow in memory where the controller looks at those (Doorbell Buffer Config:
/// emulated controllers, for which a register costs an exit). On its queue's core.
class doorbell {
  public:
    doorbell() noexcept = default;
    explicit doorbell(std::byte* at) noexcept : register_(at) {}

    /// NVM Express Base Specification 2.0, "Doorbell Buffer Config command". Both words are the controller's to read
    /// and to write.
    void shadow(std::byte* value, std::byte* event_index) noexcept {
        shadow_ = value;
        event_index_ = event_index;
    }

    /// True: the register was written.
    bool ring(std::uint16_t value) noexcept {
        if (shadow_ && !wants_event(value)) [[unlikely]]
            return false;
        write_shared<std::uint32_t>(register_, value);
        return true;
    }

  private:
    bool wants_event(std::uint16_t value) noexcept {
        // A full barrier: the shadow must be out before the event index is read, or both sides may miss each other. It
        // is the one order that x86 does not keep by itself.
        const auto old = static_cast<std::uint16_t>(exchange_shared<std::uint32_t>(shadow_, value));
        const auto event = static_cast<std::uint16_t>(read_shared<std::uint32_t>(event_index_));
        return static_cast<std::uint16_t>(value - event - 1) < static_cast<std::uint16_t>(value - old);
    }

    std::byte* register_ = nullptr;
    std::byte* shadow_ = nullptr;
    std::byte* event_index_ = nullptr;
};

}  // namespace causeway::bdev_nvme
