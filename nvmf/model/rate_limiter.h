// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/rate_limits.h"
#include "core/clock.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace causeway::nvmf {

/// Which way the data of a command goes at its disk: what is compared or verified is read.
enum class io_direction : std::uint8_t { read, write };
inline constexpr unsigned io_directions = 2;

/// What a command takes of a limit.
struct io_cost {
    std::uint64_t ios = 1;
    std::uint64_t bytes = 0;
    io_direction direction = io_direction::read;
};

/// What one core may start without asking, because it has drawn it from a rate_limiter. That core's alone.
class core_credit {
  public:
    /// False: it has too little, and has used none.
    bool take(const io_cost& c) noexcept {
        std::uint64_t& moved = left_[first_moved + static_cast<unsigned>(c.direction)];
        if (left_[ios] < c.ios || left_[bytes] < c.bytes || moved < c.bytes) [[unlikely]]
            return false;
        left_[ios] -= c.ios;
        left_[bytes] -= c.bytes;
        moved -= c.bytes;
        return true;
    }
    /// After take(), if the command does not go on after all.
    void give_back(const io_cost& c) noexcept {
        left_[ios] += c.ios;
        left_[bytes] += c.bytes;
        left_[first_moved + static_cast<unsigned>(c.direction)] += c.bytes;
    }
    /// The limits are others: what was drawn under the old ones is void.
    void reset() noexcept { left_ = {}; }

  private:
    friend class rate_limiter;
    enum counted : unsigned { ios, bytes, first_moved, counted_things = first_moved + io_directions };

    std::array<std::uint64_t, counted_things> left_{};
};

/// Four limits on what all cores start together (bdev::rate_limits), as token buckets.
///
/// A bucket is one number: the time until which what has been started has used the limit up. Credit is how far that
/// time lies in the past. So nothing has to be refilled, and drawing is one atomic addition. A core draws more than its
/// command needs, if there is enough, and comes back when that is used up: at high rates it touches the shared line
/// once for many commands.
///
/// A command may go while there is any credit, however large it is; what it takes beyond the credit is paid back before
/// the next one goes. So in any time t all cores together start at most
///
///     rate × (t + burst + late_wake_ups + slices + lateness) + one command
///
/// `lateness` is 0 unless the timer that ended the last wait came late: a reactor that sleeps wakes some 0.1 ms after
/// it is due, or later if its core is away.
///
/// While commands wait (set_contended()) nobody draws: credit goes to those that wait, in their order, by charge().
class rate_limiter {
  public:
    /// Credit that an unused limit keeps, as time.
    static constexpr std::chrono::microseconds burst{500};
    /// What all cores together may have drawn in advance, as time.
    static constexpr std::chrono::microseconds slices{500};
    /// The lateness of timers that is made up for.
    static constexpr std::chrono::milliseconds max_lateness{5};

    /// Unlimited. `late_wake_ups`: what a core that sleeps may miss, which adds to `burst`.
    rate_limiter(const core::clock& time, std::size_t cores, core::nanoseconds late_wake_ups = {}) noexcept;

    /// One core at a time. What has been used up under the old limits stays used up in proportion.
    void set(const bdev::rate_limits& l, core::ticks now) noexcept;

    /// Any core: draws what `to` lacks for the command, and a slice. False: there is no credit, or others wait for it.
    bool draw(core_credit& to, const io_cost& c, core::ticks now) noexcept;
    /// Any core: uses credit up, whether there is some or not; negative: gives it back.
    void charge(io_direction d, std::int64_t ios, std::int64_t bytes) noexcept;

    // ---- For whoever decides what goes next, on one core.

    /// When the next command in this direction may go; in the past if it may now.
    core::ticks ready_at(io_direction d) const noexcept;
    /// For how long a command uses the limit up that it uses most, in ticks.
    double duration_of(const io_cost& c) const noexcept;
    /// True: reads and writes use one of the limits together.
    bool shared_by_directions() const noexcept;
    void set_contended(io_direction d, bool on) noexcept {
        contended_[static_cast<unsigned>(d)].store(on, std::memory_order_relaxed);
    }
    /// Those who wait were to be served at `due`: what they could have had since then is not lost.
    void forgive_lateness(core::ticks due, core::ticks now) noexcept;

  private:
    using counted = core_credit::counted;
    static constexpr std::uint64_t unlimited = std::uint64_t{1} << 62;
    /// Times are kept in fractions of a tick, or many small commands would gain by rounding.
    static constexpr unsigned fraction_bits = 4;

    bool draw(counted what, std::uint64_t& left, std::uint64_t needed, core::ticks now) noexcept;
    void charge(counted what, std::int64_t n) noexcept;
    std::uint64_t oldest(core::ticks now) const noexcept;
    double ticks_per(counted what) const noexcept { return ticks_per_[what].load(std::memory_order_relaxed); }
    static constexpr counted moved(io_direction d) noexcept {
        return static_cast<counted>(counted::first_moved + static_cast<unsigned>(d));
    }

    const double ticks_per_second_, burst_ticks_, slice_ticks_;
    std::array<std::atomic<double>, counted::counted_things> ticks_per_{};  ///< one I/O, one byte; 0: unlimited
    std::atomic<double> late_ticks_{0};

    alignas(64) std::array<std::atomic<std::uint64_t>, counted::counted_things> used_until_{};
    std::array<std::atomic<bool>, io_directions> contended_{};
};

}  // namespace causeway::nvmf
