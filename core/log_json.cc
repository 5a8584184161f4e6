// SPDX-License-Identifier: Apache-2.0
#include "core/log_writer.h"
#include "core/printable.h"

#include <algorithm>
#include <fmt/chrono.h>
#include <fmt/format.h>

namespace causeway::core::log {

namespace {

constexpr std::string_view process = "causewayd";

/// Messages that are no events begin with the part that they are of, if they are of one.
constexpr std::string_view parts[] = {"DPDK", "configuration", "log", "metrics", "rdma", "tcp"};

struct split {
    std::string_view component, message;
};

split split_component(const entry& e) {
    if (e.event)
        return {e.event->component, e.text};
    const std::string_view text = e.text;
    const auto colon = text.find(": ");
    if (colon != text.npos && (e.is_trace || std::ranges::find(parts, text.substr(0, colon)) != std::end(parts)))
        return {text.substr(0, colon), text.substr(colon + 2)};
    return {process, text};
}

}  // namespace

void append_json(std::string& out, std::string_view text) {
    out += '"';
    for (const char c : is_printable(text) ? std::string(text) : printable(text)) {
        if (c == '"' || c == '\\')
            out += '\\';
        out += c;
    }
    out += '"';
}

std::string to_json(std::chrono::system_clock::time_point at, const entry& e) {
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(at.time_since_epoch()).count();
    const auto [component, message] = split_component(e);
    std::string out =
        fmt::format(R"({{"time":"{:%Y-%m-%dT%H:%M:%S}.{:06}Z","level":"{}","component":)",
                    fmt::gmtime(static_cast<std::time_t>(us / 1'000'000)), us % 1'000'000, to_string(e.l));
    append_json(out, component);
    if (e.event)
        out += fmt::format(R"(,"id":"{}")", e.event->id);
    out += R"(,"message":)";
    append_json(out, message);
    return out + R"(,"fields":{)" + e.members + "}}";
}

}  // namespace causeway::core::log
