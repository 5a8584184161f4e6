// SPDX-License-Identifier: Apache-2.0
#include "core/trace.h"

#include "core/log_flag_aliases.h"

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

std::vector<flag_name> named_flags() {
    std::vector<flag_name> names;
    for (const log::flag* f : log::flag::all())
        names.push_back({f->name(), f});
    for (const auto& [alias, name] : log::flag_aliases)
        for (const log::flag* f : log::flag::all())
            if (f->name() == name)
                names.push_back({alias, f});
    std::ranges::sort(names, {}, &flag_name::name);
    return names;
}

std::string flag_names() {
    std::vector<std::string_view> names;
    for (const flag_name& n : named_flags())
        names.push_back(n.name);
    return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace causeway::core::trace
