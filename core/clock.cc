// SPDX-License-Identifier: Apache-2.0
#include "core/clock.h"

#include <cpuid.h>
#include <ctime>
#include <limits>
#include <optional>
#include <utility>

namespace causeway::core {

namespace {

constexpr std::int64_t measuring_time_ns = 20'000'000;  // with pairs good to 100 ns: 5 parts per million

std::int64_t monotonic_ns() noexcept {
    timespec t;
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1'000'000'000ll + t.tv_nsec;
}

/// The two clocks read as nearly at once as possible: the attempt that was interrupted least counts.
std::pair<ticks, std::int64_t> read_both() noexcept {
    std::pair<ticks, std::int64_t> best;
    ticks closest = std::numeric_limits<ticks>::max();
    for (int attempt = 0; attempt < 16; ++attempt) {
        const ticks before = __builtin_ia32_rdtsc();
        const std::int64_t ns = monotonic_ns();
        const ticks between = __builtin_ia32_rdtsc() - before;
        if (between < closest) {
            closest = between;
            best = {before + between / 2, ns};
        }
    }
    return best;
}

/// What the processor says itself. Believed only where no hypervisor stands between (it may scale or emulate
/// the counter and still pass the host's leaf on), and only with the crystal's frequency given. Leaf 16h is
/// not asked: it gives a nominal frequency, off by a per cent on some parts.
std::optional<ticks> frequency_from_cpuid() noexcept {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & (1u << 31)))
        return std::nullopt;
    if (!__get_cpuid(0x15, &a, &b, &c, &d) || !a || !b || !c)
        return std::nullopt;
    return static_cast<ticks>(c) * b / a;
}

/// Sleeps instead of spinning: where an emulator counts instructions for time, waiting costs none.
ticks measured_frequency() noexcept {
    const auto [first_ticks, first_ns] = read_both();
    std::int64_t left = measuring_time_ns;
    while (left > 0) {
        const timespec t{.tv_sec = 0, .tv_nsec = left};
        ::nanosleep(&t, nullptr);
        left = first_ns + measuring_time_ns - monotonic_ns();
    }
    const auto [last_ticks, last_ns] = read_both();
    const auto passed = static_cast<wide>(last_ticks - first_ticks);
    const auto frequency = static_cast<ticks>(passed * 1'000'000'000u / static_cast<std::uint64_t>(last_ns - first_ns));
    return frequency ? frequency : 1;
}

}  // namespace

tsc_clock::tsc_clock() {
    const auto said = frequency_from_cpuid();
    per_second_ = said ? *said : measured_frequency();
}

}  // namespace causeway::core
