#pragma once

#include "bdev_nvme/mmio.h"
#include "nvme/command.h"

#include <cstdint>

namespace causeway::bdev_nvme {

/// The entries of a completion queue in the order in which the device writes them. NVM Express Base Specification 2.0, "Completion Queue
/// Entry: Phase Tag".
class completion_ring {
  public:
    /// An entry that has arrived. Its own words stay readable until the doorbell of head() is rung.
    struct arrival {
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

    /// False: the next one has not arrived.
    bool take(arrival& a) noexcept {
        const nvme::completion& e = entries_[head_];
        // The device writes the phase last; what it wrote before is read after it.
        const auto last =
            read_shared<std::uint32_t>(reinterpret_cast<const std::byte*>(&e) + offsetof(nvme::completion, cid));
        if ((last >> 16 & 1) != phase_)
            return false;
        if (++head_ == count_) {
            head_ = 0;
            phase_ ^= 1;
        }
        a = {&e, static_cast<std::uint16_t>(last), nvme::status::from_word(static_cast<std::uint16_t>(last >> 16))};
        return true;
    }

    std::uint16_t head() const noexcept { return static_cast<std::uint16_t>(head_); }

  private:
    const nvme::completion* entries_ = nullptr;
    std::uint32_t count_ = 0;
    std::uint32_t head_ = 0;
    std::uint32_t phase_ = 1;  ///< of entries that are new in this round
};

}  // namespace causeway::bdev_nvme
