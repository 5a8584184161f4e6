// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

namespace softrdma {

/// Places in one of the segment's tables. They are handed out in a ring, so that what was just given up is not soon
/// another's. Thread safe.
class places {
  public:
    /// `first`: places below it are never handed out.
    explicit places(std::uint32_t size, std::uint32_t first = 0) : first_(first), last_(first), taken_(size) {}

    struct place {
        std::uint32_t number;
        std::uint32_t times;  ///< it has been handed out before
    };

    std::optional<place> take() {
        std::lock_guard hold(mutex_);
        for (std::size_t i = 0; i < taken_.size(); ++i) {
            last_ = last_ + 1 < taken_.size() ? last_ + 1 : first_;
            if (taken_[last_].is)
                continue;
            taken_[last_].is = true;
            return place{last_, taken_[last_].times++};
        }
        return std::nullopt;
    }

    void give_back(std::uint32_t number) {
        std::lock_guard hold(mutex_);
        taken_[number].is = false;
    }

    std::size_t in_use() {
        std::lock_guard hold(mutex_);
        return static_cast<std::size_t>(
            std::count_if(taken_.begin(), taken_.end(), [](const state& s) { return s.is; }));
    }

  private:
    struct state {
        bool is = false;
        std::uint32_t times = 0;
    };

    std::mutex mutex_;
    const std::uint32_t first_;
    std::uint32_t last_;
    std::vector<state> taken_;
};

}  // namespace softrdma
