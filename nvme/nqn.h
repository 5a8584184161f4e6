// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace causeway::nvme {

/// NVM Express Base Specification 2.0, "NVMe Qualified Names": bytes, the terminating NUL not counted.
inline constexpr std::size_t nqn_max_length = 223;

/// What every discovery subsystem answers to. NVMe over Fabrics 1.1, "Discovery Service".
inline constexpr std::string_view discovery_nqn = "nqn.2014-08.org.nvmexpress.discovery";

/// Prefix of names made from a UUID.
inline constexpr std::string_view uuid_nqn_prefix = "nqn.2014-08.org.nvmexpress:uuid:";

namespace detail {

constexpr bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
constexpr bool is_alnum(char c) noexcept {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool is_hex(char c) noexcept {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/// 8-4-4-4-12 hexadecimal digits.
constexpr bool is_uuid(std::string_view s) noexcept {
    if (s.size() != 36) {
        return false;
    }
    for (std::size_t i = 0; i < s.size(); ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s[i] != '-' : !is_hex(s[i])) {
            return false;
        }
    }
    return true;
}

/// "yyyy-mm."
constexpr bool is_date_code(std::string_view s) noexcept {
    if (s.size() != 8 || s[4] != '-' || s[7] != '.') {
        return false;
    }
    for (std::size_t i : {0, 1, 2, 3, 5, 6}) {
        if (!is_digit(s[i])) {
            return false;
        }
    }
    const int month = (s[5] - '0') * 10 + (s[6] - '0');
    return month >= 1 && month <= 12;
}

/// Labels of letters, digits and inner hyphens, each of 1 to 63 bytes, parted by dots.
constexpr bool is_domain(std::string_view s) noexcept {
    for (;;) {
        const std::size_t dot = s.find('.');
        const std::string_view label = s.substr(0, dot);
        if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') {
            return false;
        }
        for (char c : label) {
            if (!is_alnum(c) && c != '-') {
                return false;
            }
        }
        if (dot == std::string_view::npos) {
            return true;
        }
        s.remove_prefix(dot + 1);
    }
}

/// UTF-8 without control characters, over-long forms and surrogates. A name that passes can be logged and put
/// into JSON as it is.
constexpr bool is_printable_utf8(std::string_view s) noexcept {
    for (std::size_t i = 0; i < s.size();) {
        const auto lead = static_cast<std::uint8_t>(s[i++]);
        if (lead < 0x80) {
            if (lead < 0x20 || lead == 0x7f) {
                return false;
            }
            continue;
        }
        const std::size_t tail = lead >= 0xc2 && lead <= 0xdf   ? 1
                                 : (lead & 0xf0) == 0xe0        ? 2
                                 : lead >= 0xf0 && lead <= 0xf4 ? 3
                                                                : 0;
        if (tail == 0 || s.size() - i < tail) {
            return false;
        }
        std::uint32_t point = lead & (0x3fu >> tail);
        for (std::size_t n = 0; n < tail; ++n) {
            const auto c = static_cast<std::uint8_t>(s[i++]);
            if ((c & 0xc0) != 0x80) {
                return false;
            }
            point = point << 6 | (c & 0x3f);
        }
        const std::uint32_t least = tail == 1 ? 0x80 : tail == 2 ? 0x800 : 0x10000;
        if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff) || point < 0xa0) {
            return false;
        }
    }
    return true;
}

}  // namespace detail

/// Whether hosts may be known by `name`: to Connect, and on lists of hosts. Hosts call themselves all sorts of things
/// that valid_nqn() is not true of; but what they say goes into logs and JSON.
constexpr bool usable_host_nqn(std::string_view name) noexcept {
    return !name.empty() && name.size() <= nqn_max_length && detail::is_printable_utf8(name);
}

/// Whether `name` has one of the two forms of an NVMe Qualified Name: "nqn.yyyy-mm.reverse.domain:string", or
/// "nqn.2014-08.org.nvmexpress:uuid:" and a UUID. The well-known discovery name, which lacks the colon, is
/// valid too.
constexpr bool valid_nqn(std::string_view name) noexcept {
    if (name.size() > nqn_max_length || !name.starts_with("nqn.")) {
        return false;
    }
    if (name == discovery_nqn) {
        return true;
    }
    if (name.starts_with(uuid_nqn_prefix)) {
        return detail::is_uuid(name.substr(uuid_nqn_prefix.size()));
    }
    if (name.size() < 12 || !detail::is_date_code(name.substr(4, 8))) {
        return false;
    }
    const std::string_view rest = name.substr(12);
    const std::size_t colon = rest.find(':');
    return colon != std::string_view::npos && colon + 1 < rest.size() && detail::is_domain(rest.substr(0, colon)) &&
           detail::is_printable_utf8(rest.substr(colon + 1));
}

}  // namespace causeway::nvme
