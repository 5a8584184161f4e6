// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/features.h"
#include "nvme/log_page.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>

namespace causeway::nvmf {

/// What one controller reports to its host about reservations: the Reservation Notification log, and which
/// notifications the host has masked, by namespace. NVM Express Base Specification 2.0, "Reservation Notification" and
/// "Reservation Notification Mask". Control reactor.
class reservation_notices {
  public:
    static constexpr std::size_t max_pages = 255;  ///< NALP counts no further

    /// `generation`: the namespace's, so that another one under its nsid begins with a mask of 0.
    void set_mask(std::uint32_t nsid, std::uint64_t generation, std::uint32_t mask) {
        masks_[nsid] = {generation, mask};
    }
    std::uint32_t mask_of(std::uint32_t nsid, std::uint64_t generation) const noexcept {
        const auto it = masks_.find(nsid);
        return it != masks_.end() && it->second.generation == generation ? it->second.bits : 0;
    }

    /// Where there is no room, the oldest page is lost; its host sees that from the count of the next one. False: the
    /// host has masked it.
    bool add(std::uint32_t nsid, std::uint64_t generation, nvme::reservation_notice what) {
        if (mask_of(nsid, generation) >> nvme::to_underlying(what) & 1)
            return false;
        if (pages_.size() == max_pages)
            pages_.pop_front();
        count_ = std::max<std::uint64_t>(count_ + 1, 1);  // 0 is the empty page's
        pages_.push_back({count_, nsid, what});
        return true;
    }
    /// The oldest page; empty if there is none.
    nvme::reservation_notification_log page() const {
        nvme::reservation_notification_log log{};
        if (pages_.empty())
            return log;
        log.count = pages_.front().count;
        log.type = nvme::to_underlying(pages_.front().what);
        log.nalp = static_cast<std::uint8_t>(pages_.size() - 1);
        log.nsid = pages_.front().nsid;
        return log;
    }
    /// The host has read page().
    void pop() noexcept {
        if (!pages_.empty())
            pages_.pop_front();
    }
    /// For a Controller Level Reset. The count goes on.
    void reset() noexcept {
        pages_.clear();
        masks_.clear();
    }

  private:
    struct entry {
        std::uint64_t count;
        std::uint32_t nsid;
        nvme::reservation_notice what;
    };
    struct mask {
        std::uint64_t generation;
        std::uint32_t bits;  ///< bit n: reservation_notice n
    };

    std::deque<entry> pages_;
    std::uint64_t count_ = 0;
    std::map<std::uint32_t, mask> masks_;  ///< by nsid
};
// The bits of the feature are the numbers of the notices.
static_assert(nvme::reservation_mask_registration_preempted ==
              1u << nvme::to_underlying(nvme::reservation_notice::registration_preempted));
static_assert(nvme::reservation_mask_reservation_released ==
              1u << nvme::to_underlying(nvme::reservation_notice::reservation_released));
static_assert(nvme::reservation_mask_reservation_preempted ==
              1u << nvme::to_underlying(nvme::reservation_notice::reservation_preempted));

}  // namespace causeway::nvmf
