// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>

namespace causeway::core {

/// Units of a clock. In production cycles of the time stamp counter; in tests whatever the virtual clock
/// says.
using ticks = std::uint64_t;

using std::chrono::nanoseconds;

/// For products of a time and a frequency, which pass 64 bits within seconds.
__extension__ using wide = unsigned __int128;

/// The clock of a reactor. It is injected, so that a whole gateway can run in virtual time.
class clock {
  public:
    virtual ~clock() = default;

    /// Any thread. Never goes backwards.
    virtual ticks now() const noexcept = 0;
    virtual ticks per_second() const noexcept = 0;

    /// A negative duration counts as none, one beyond all ticks as all of them.
    ticks to_ticks(nanoseconds d) const noexcept {
        if (d.count() < 0)
            return 0;
        const wide t = static_cast<wide>(d.count()) * per_second() / 1'000'000'000u;
        return t < std::numeric_limits<ticks>::max() ? static_cast<ticks>(t) : std::numeric_limits<ticks>::max();
    }
    nanoseconds to_nanoseconds(ticks t) const noexcept {
        return nanoseconds(static_cast<std::int64_t>(static_cast<wide>(t) * 1'000'000'000u / per_second()));
    }
};

/// The processor's time stamp counter, its frequency measured once at construction.
class tsc_clock final : public clock {
  public:
    tsc_clock();
    ticks now() const noexcept override { return __builtin_ia32_rdtsc(); }
    ticks per_second() const noexcept override { return per_second_; }

  private:
    ticks per_second_;
};

/// Time that stands still until advance_to() is called. One tick is a nanosecond.
class virtual_clock final : public clock {
  public:
    ticks now() const noexcept override { return now_; }
    ticks per_second() const noexcept override { return 1'000'000'000; }
    void advance_to(ticks t) noexcept {
        if (t > now_)
            now_ = t;
    }

  private:
    ticks now_ = 1;
};

}  // namespace causeway::core
