// SPDX-License-Identifier: Apache-2.0
#include "core/trace.h"

#include <algorithm>
#include <vector>

namespace causeway::core::trace {

void write(std::string_view component, std::string text) noexcept {
    try {
        // Empty for want of memory: then it is only counted.
        log::write_trace(text.empty() ? std::string() : fmt::format("{}: {}", component, text));
    } catch (...) {  // no memory: tracing does not end a gateway
    }
}

std::string flag_names() {
    std::vector<std::string_view> names;
    for (const log::flag* f : log::flag::all())
        names.push_back(f->name());
    std::ranges::sort(names);
    return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace causeway::core::trace
