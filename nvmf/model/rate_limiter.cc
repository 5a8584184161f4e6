// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/rate_limiter.h"

#include <algorithm>
#include <cmath>

namespace causeway::nvmf {

namespace {

double seconds(std::chrono::nanoseconds d) noexcept {
    return std::chrono::duration<double>(d).count();
}

}  // namespace

rate_limiter::rate_limiter(const core::clock& time, std::size_t cores, core::nanoseconds late_wake_ups) noexcept
    : ticks_per_second_(static_cast<double>(time.per_second())),
      burst_ticks_(seconds(burst + late_wake_ups) * ticks_per_second_),
      slice_ticks_(seconds(slices) * ticks_per_second_ / static_cast<double>(cores)) {}

void rate_limiter::set(const bdev::rate_limits& l, core::ticks now) noexcept {
    constexpr double mebibyte = 1 << 20;
    constexpr double fastest = 1e15;  // of any device; beyond it numbers of credit would overflow
    const std::array<double, counted::counted_things> rates = {
        static_cast<double>(l.rw_ios_per_sec), static_cast<double>(l.rw_mbytes_per_sec) * mebibyte,
        static_cast<double>(l.r_mbytes_per_sec) * mebibyte, static_cast<double>(l.w_mbytes_per_sec) * mebibyte};
    const std::uint64_t here = now << fraction_bits;
    late_ticks_.store(0, std::memory_order_relaxed);
    for (unsigned i = 0; i < rates.size(); ++i) {
        const double before = ticks_per_[i].load(std::memory_order_relaxed);
        const double after = rates[i] > 0 ? ticks_per_second_ / std::min(rates[i], fastest) : 0;
        const std::uint64_t used = used_until_[i].load(std::memory_order_relaxed);
        std::uint64_t debt = 0;
        if (before > 0 && used > here)
            debt = static_cast<std::uint64_t>(static_cast<double>(used - here) * (after / before));
        ticks_per_[i].store(after, std::memory_order_relaxed);
        if (after != before)
            used_until_[i].store(here + debt, std::memory_order_relaxed);
    }
}

/// What lies before is not kept: credit beyond the burst.
std::uint64_t rate_limiter::oldest(core::ticks now) const noexcept {
    const double kept = burst_ticks_ + late_ticks_.load(std::memory_order_relaxed);
    return (now - std::min(now, static_cast<core::ticks>(kept))) << fraction_bits;
}

bool rate_limiter::draw(counted what, std::uint64_t& left, std::uint64_t needed, core::ticks now) noexcept {
    if (left >= needed)
        return true;
    const double each = ticks_per(what) * (1 << fraction_bits);
    if (each == 0) {
        left = unlimited;
        return true;
    }
    const std::uint64_t here = now << fraction_bits, oldest = this->oldest(now), missing = needed - left;
    const double slice = slice_ticks_ * (1 << fraction_bits);
    std::uint64_t used = used_until_[what].load(std::memory_order_relaxed), taken, next;
    do {
        const std::uint64_t from = std::max(used, oldest);
        if (from > here)
            return false;
        // At most half of what is there: others may want to draw as well.
        const double advance = std::min(slice, static_cast<double>(here - from) / 2);
        taken = std::max(missing, static_cast<std::uint64_t>(advance / each));
        next = from + static_cast<std::uint64_t>(std::llround(static_cast<double>(taken) * each));
    } while (!used_until_[what].compare_exchange_weak(used, next, std::memory_order_relaxed));
    left += taken;
    return true;
}

bool rate_limiter::draw(core_credit& to, const io_cost& c, core::ticks now) noexcept {
    if (contended_[static_cast<unsigned>(c.direction)].load(std::memory_order_relaxed))
        return false;
    // What has been drawn of one limit stays with the core if another one has nothing.
    return draw(counted::ios, to.left_[counted::ios], c.ios, now) &&
           draw(counted::bytes, to.left_[counted::bytes], c.bytes, now) &&
           draw(moved(c.direction), to.left_[moved(c.direction)], c.bytes, now);
}

void rate_limiter::charge(counted what, std::int64_t n) noexcept {
    const double time = ticks_per(what) * (1 << fraction_bits) * static_cast<double>(n);
    // Unsigned, and so it wraps: a negative number is subtracted.
    used_until_[what].fetch_add(static_cast<std::uint64_t>(std::llround(time)), std::memory_order_relaxed);
}

void rate_limiter::charge(io_direction d, std::int64_t ios, std::int64_t bytes) noexcept {
    charge(counted::ios, ios);
    charge(counted::bytes, bytes);
    charge(moved(d), bytes);
}

core::ticks rate_limiter::ready_at(io_direction d) const noexcept {
    std::uint64_t at = 0;
    for (const counted what : {counted::ios, counted::bytes, moved(d)})
        if (ticks_per(what) > 0)
            at = std::max(at, used_until_[what].load(std::memory_order_relaxed));
    return (at + (1 << fraction_bits) - 1) >> fraction_bits;
}

double rate_limiter::duration_of(const io_cost& c) const noexcept {
    const double bytes = static_cast<double>(c.bytes);
    return std::max({ticks_per(counted::ios) * static_cast<double>(c.ios), ticks_per(counted::bytes) * bytes,
                     ticks_per(moved(c.direction)) * bytes});
}

bool rate_limiter::shared_by_directions() const noexcept {
    return ticks_per(counted::ios) > 0 || ticks_per(counted::bytes) > 0;
}

void rate_limiter::forgive_lateness(core::ticks due, core::ticks now) noexcept {
    const double most = seconds(max_lateness) * ticks_per_second_;
    late_ticks_.store(std::min(most, static_cast<double>(now - std::min(due, now))), std::memory_order_relaxed);
    // charge() knows no oldest credit: what nobody has used is dropped here.
    const std::uint64_t oldest = this->oldest(now);
    for (auto& used : used_until_) {
        std::uint64_t until = used.load(std::memory_order_relaxed);
        while (until < oldest && !used.compare_exchange_weak(until, oldest, std::memory_order_relaxed)) {
        }
    }
}

}  // namespace causeway::nvmf
