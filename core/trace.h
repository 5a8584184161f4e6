// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/log.h"

#include <cstdint>
#include <fmt/format.h>
#include <string>
#include <utility>

/// A trace point: a line of the component that `flag` (a core::log::flag) switches. Any thread, data path included. The
/// arguments are evaluated only while the flag is on; off, it costs one relaxed load and a branch that is predicted.
#define CAUSEWAY_TRACE(flag, ...)                                                                                      \
    do {                                                                                                               \
        if ((flag).on()) [[unlikely]]                                                                                  \
            ::causeway::core::trace::line((flag).name(), __VA_ARGS__);                                                 \
    } while (false)

/// Trace points (`-L component`, log_set_flag). Their lines go to the log by a thread of their own, so that a log that
/// nobody reads never blocks a reactor: up to `max_pending_bytes` wait for it, what comes then is lost and counted.
namespace causeway::core::trace {

inline constexpr std::size_t max_pending_bytes = std::size_t{4} << 20;

/// Any thread; never waits for the log.
void write(std::string_view component, std::string text) noexcept;

template <class... Args>
[[gnu::cold, gnu::noinline]] void line(std::string_view component, fmt::format_string<Args...> f,
                                       Args&&... args) noexcept {
    try {
        write(component, fmt::format(f, std::forward<Args>(args)...));
    } catch (...) {  // no memory for the text
        write(component, {});
    }
}

/// Waits until all lines so far are in the log. Not on a reactor. False: they were not after a second.
bool flush() noexcept;

/// "bdev_rbd, nvmf, tcp": the names of all flags, sorted, for error messages.
std::string flag_names();

}  // namespace causeway::core::trace
