// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cassert>
#include <cstdint>

namespace causeway::core {

/// Random numbers that are the same on every platform for the same seed, which the standard library's distributions do
/// not guarantee. xoshiro256**, seeded by splitmix64. Not for secrets.
class random_source {
  public:
    explicit random_source(std::uint64_t seed) noexcept {
        for (auto& word : state_) {
            seed += 0x9e3779b97f4a7c15;
            std::uint64_t z = seed;
            z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
            z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
            word = z ^ (z >> 31);
        }
    }

    std::uint64_t next() noexcept {
        const std::uint64_t drawn = rotated(state_[1] * 5, 7) * 9;
        const std::uint64_t shifted = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= shifted;
        state_[3] = rotated(state_[3], 45);
        return drawn;
    }

    /// REQUIRES: n > 0. From 0 to n - 1.
    std::uint64_t below(std::uint64_t n) noexcept {
        assert(n > 0);
        __extension__ using wide = unsigned __int128;
        return static_cast<std::uint64_t>((static_cast<wide>(next()) * n) >> 64);
    }

    /// REQUIRES: first <= last, and not all numbers there are. Both included.
    std::uint64_t between(std::uint64_t first, std::uint64_t last) noexcept { return first + below(last - first + 1); }

    /// True in `part` cases out of `of`.
    bool chance(std::uint64_t part, std::uint64_t of) noexcept { return below(of) < part; }

  private:
    static constexpr std::uint64_t rotated(std::uint64_t x, int by) noexcept { return (x << by) | (x >> (64 - by)); }
    std::array<std::uint64_t, 4> state_;
};

}  // namespace causeway::core
