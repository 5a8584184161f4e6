// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace causeway::host {

/// Times by their frequency, to within 1.6 %: 64 equal steps for each power of two.
class histogram {
  public:
    void add(std::uint64_t value) noexcept {
        ++counts_[index(value)];
        ++count_;
        sum_ += value;
        min_ = std::min(min_, value);
        max_ = std::max(max_, value);
    }
    void add(const histogram& other) noexcept {
        for (std::size_t i = 0; i < counts_.size(); ++i)
            counts_[i] += other.counts_[i];
        count_ += other.count_;
        sum_ += other.sum_;
        min_ = std::min(min_, other.min_);
        max_ = std::max(max_, other.max_);
    }

    std::uint64_t count() const noexcept { return count_; }
    std::uint64_t min() const noexcept { return count_ ? min_ : 0; }  ///< exact
    std::uint64_t max() const noexcept { return max_; }               ///< exact
    double mean() const noexcept { return count_ ? static_cast<double>(sum_) / static_cast<double>(count_) : 0; }

    /// What `percent` of all values do not exceed: the upper end of the step they are in. 0 if there are none.
    std::uint64_t percentile(double percent) const noexcept {
        const auto wanted = static_cast<std::uint64_t>(std::ceil(static_cast<double>(count_) * percent / 100));
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i)
            if ((seen += counts_[i]) >= wanted && seen)
                return upper_end(i);
        return 0;
    }

  private:
    static constexpr unsigned step_bits = 6, steps = 1 << step_bits;

    // Below `steps` each value has a step of its own; from there on the highest bits choose.
    static std::size_t index(std::uint64_t v) noexcept {
        if (v < steps)
            return v;
        const auto power = static_cast<unsigned>(std::bit_width(v)) - step_bits - 1;
        return (std::size_t{power} << step_bits) + (v >> power);
    }
    static std::uint64_t upper_end(std::size_t i) noexcept {
        if (i < 2 * steps)
            return i;
        const auto power = (i >> step_bits) - 1;
        return ((i - (power << step_bits) + 1) << power) - 1;
    }

    std::array<std::uint64_t, steps * (64 - step_bits + 1)> counts_{};
    std::uint64_t count_ = 0, sum_ = 0, min_ = ~std::uint64_t{0}, max_ = 0;
};

}  // namespace causeway::host
