// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>

namespace causeway::nvme {

/// Fills an ASCII field that the specification pads with spaces: SN, MN, FR, TRADDR, TRSVCID. What does not
/// fit is cut off. NVM Express Base Specification 2.0, "ASCII data".
template <std::size_t N>
constexpr void copy_padded(char (&field)[N], std::string_view text) noexcept {
    const std::size_t n = std::min(text.size(), N);
    std::copy_n(text.data(), n, field);
    std::fill(field + n, field + N, ' ');
}

/// Fills a UTF-8 field that ends with NUL: SUBNQN, HOSTNQN. The last byte is always NUL.
template <std::size_t N>
constexpr void copy_terminated(char (&field)[N], std::string_view text) noexcept {
    const std::size_t n = std::min(text.size(), N - 1);
    std::copy_n(text.data(), n, field);
    std::fill(field + n, field + N, '\0');
}

/// What stands before the padding.
template <std::size_t N>
constexpr std::string_view padded_text(const char (&field)[N]) noexcept {
    const std::string_view all(field, N);
    const std::size_t last = all.find_last_not_of(std::string_view(" \0", 2));
    return all.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

/// What stands before the NUL; nothing if a peer sent a field without one.
template <std::size_t N>
constexpr std::optional<std::string_view> terminated_text(const char (&field)[N]) noexcept {
    const std::string_view all(field, N);
    const std::size_t end = all.find('\0');
    if (end == std::string_view::npos) {
        return std::nullopt;
    }
    return all.substr(0, end);
}

}  // namespace causeway::nvme
