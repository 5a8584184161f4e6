// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev_nvme/mmio.h"
#include "nvme/command.h"

#include <cstdint>

namespace causeway::bdev_nvme {

/// The entries of a completion queue in the order in which the device writes them. NVM Express Base Specification 2.0,
/// "Completion Queue Entry: Phase Tag".
class completion_ring {
  public:
    /// An entry that has arrived. Its own words stay readable until the doorbell of head() is rung.
    struct completion {
        const nvme::completion* entry;
        std::uint16_t cid;
        nvme::status status;
    };

    /// `entries` are zeroed: none looks new.
    void reset(const std::byte* entries, std::uint32_t count) noexcept {
        entries_ = reinterpret_cast<const nvme::completion*>(entries);
        count_ = count;
        head_ = 0;
        phase_ = 1;
    }

    /// True: the next one has arrived.
    bool pending() const noexcept { return is_new(last_dword()); }

    /// False: the next one has not arrived.
    bool take(completion& a) noexcept {
        const std::uint32_t last = last_dword();
        if (!is_new(last))
            return false;
        a = {entries_ + head_, static_cast<std::uint16_t>(last),
             nvme::status::from_word(static_cast<std::uint16_t>(last >> 16))};
        if (++head_ == count_) {
            head_ = 0;
            phase_ ^= 1;
        }
        return true;
    }

    std::uint16_t head() const noexcept { return static_cast<std::uint16_t>(head_); }

  private:
    /// The identifier and the status, with the phase. The device writes the phase last; what it wrote before is read
    /// after it.
    std::uint32_t last_dword() const noexcept {
        return read_shared<std::uint32_t>(reinterpret_cast<const std::byte*>(entries_ + head_) +
                                          offsetof(nvme::completion, cid));
    }
    bool is_new(std::uint32_t last) const noexcept { return (last >> 16 & 1) == phase_; }

    const nvme::completion* entries_ = nullptr;
    std::uint32_t count_ = 0;
    std::uint32_t head_ = 0;
    std::uint32_t phase_ = 1;  ///< of entries that are new in this round
};

}  // namespace causeway::bdev_nvme
