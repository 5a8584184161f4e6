// SPDX-License-Identifier: Apache-2.0
#include "core/printable.h"

#include <cstdint>
#include <fmt/format.h>

namespace causeway::core {

namespace {

/// The next character of a text, or one byte that belongs to none.
struct character {
    std::size_t bytes;
    bool is_printable;
};

constexpr bool is_plain(char32_t c) noexcept {
    const bool is_control = c < 0x20 || (c >= 0x7f && c < 0xa0);
    const bool ends_line = c == 0x2028 || c == 0x2029;
    const bool turns_direction =
        c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
    return !is_control && !ends_line && !turns_direction;
}

/// REQUIRES: `text` is not empty.
constexpr character next(std::string_view text) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const std::uint8_t first = byte(0);
    if (first < 0x80)
        return {1, is_plain(first)};
    const std::size_t length = first >= 0xf0 && first < 0xf5 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
    if (length == 0 || first >= 0xf5 || text.size() < length)
        return {1, false};
    char32_t c = first & (0xffu >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80)
            return {1, false};
        c = c << 6 | (byte(i) & 0x3fu);
    }
    constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};  // by length: the same in more bytes is not UTF-8
    const bool is_surrogate = c >= 0xd800 && c < 0xe000;
    if (c < least[length] || c > 0x10ffff || is_surrogate)
        return {1, false};
    return {length, is_plain(c)};
}

}  // namespace

bool is_printable(std::string_view text) noexcept {
    while (!text.empty()) {
        const character c = next(text);
        if (!c.is_printable)
            return false;
        text.remove_prefix(c.bytes);
    }
    return true;
}

std::string printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const character c = next(text);
        if (c.is_printable)
            out += text.substr(0, c.bytes);
        else
            for (const char b : text.substr(0, c.bytes))
                out += fmt::format("\\x{:02x}", static_cast<std::uint8_t>(b));
        text.remove_prefix(c.bytes);
    }
    return out;
}

}  // namespace causeway::core
