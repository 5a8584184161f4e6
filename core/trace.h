// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/log.h"

#include <cstdint>
#include <fmt/format.h>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// A trace point: a line of the component that `flag` (a core::log::flag) switches. Any thread, data path included. The
/// arguments are evaluated only while the flag is on; off, it costs one relaxed load and a branch that is predicted.
#define CAUSEWAY_TRACE(flag, ...)                                                                                      \
    do {                                                                                                               \
        if ((flag).on()) [[unlikely]]                                                                                  \
            ::causeway::core::trace::line((flag).name(), __VA_ARGS__);                                                 \
    } while (false)

/// Trace points (`-L component`, log_set_flag). Their lines go to the log, which never blocks a reactor (core/log.h).
namespace causeway::core::trace {

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

/// A name of a flag. Some have two: control planes look for those that begin with "nvmf".
struct flag_name {
    std::string_view name;
    const log::flag* flag;
};
/// Sorted by name.
std::vector<flag_name> named_flags();
/// "bdev_rbd, nvmf, nvmf_tcp, tcp": all names, for error messages.
std::string flag_names();

}  // namespace causeway::core::trace
