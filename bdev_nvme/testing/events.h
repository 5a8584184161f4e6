// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/features.h"
#include "nvme/log_page.h"

#include <cstdint>
#include <deque>
#include <optional>
#include <set>

namespace causeway::bdev_nvme::testing {

/// Asynchronous events and the requests that wait for them. After an event its kind is silent until the host has read
/// the log page. NVM Express Base Specification 2.0, "Asynchronous Event Request command".
class event_queue {
  public:
    /// False: there are more than the controller takes.
    bool request(std::uint16_t cid, std::size_t most) {
        if (requests_.size() >= most)
            return false;
        requests_.push_back(cid);
        return true;
    }
    /// False: no such request waits.
    bool abort(std::uint16_t cid) { return std::erase(requests_, cid) > 0; }
    void raise(std::uint32_t dw0) {
        for (auto waiting : events_)
            if (waiting == dw0)
                return;
        events_.push_back(dw0);
    }
    void page_read(nvme::lid page) { silent_.erase(nvme::to_underlying(page)); }

    struct answer {
        std::uint16_t cid;
        std::uint32_t dw0;
    };
    /// The next request's, if there is something to tell.
    std::optional<answer> next() {
        if (requests_.empty())
            return std::nullopt;
        for (auto e = events_.begin(); e != events_.end(); ++e) {
            const auto page = static_cast<std::uint8_t>(*e >> 16);
            if (silent_.contains(page))
                continue;
            silent_.insert(page);
            const answer a{take(), *e};
            events_.erase(e);
            return a;
        }
        return std::nullopt;
    }
    /// The next request's, whether there is something to tell or not.
    std::optional<answer> next(std::uint32_t dw0) {
        if (requests_.empty())
            return std::nullopt;
        return answer{take(), dw0};
    }
    std::size_t requests() const noexcept { return requests_.size(); }
    void clear() {
        requests_.clear();
        events_.clear();
        silent_.clear();
    }

  private:
    std::uint16_t take() {
        const auto cid = requests_.front();
        requests_.pop_front();
        return cid;
    }

    std::deque<std::uint16_t> requests_;
    std::deque<std::uint32_t> events_;
    std::set<std::uint8_t> silent_;  ///< log pages that are to be read first
};

}  // namespace causeway::bdev_nvme::testing
