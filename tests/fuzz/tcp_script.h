// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/fuzz/tcp_session.h"

#include <algorithm>
#include <cstdint>
#include <span>

namespace causeway::fuzz {

/// What is left of an input.
struct tcp_session::script {
    std::span<const std::uint8_t> left;

    std::uint8_t byte() noexcept {
        if (left.empty())
            return 0;
        const std::uint8_t b = left.front();
        left = left.subspan(1);
        return b;
    }
    std::uint16_t word() noexcept {
        const std::uint8_t low = byte();
        return static_cast<std::uint16_t>(low | byte() << 8);
    }
    std::span<const std::byte> bytes(std::size_t n) noexcept {
        n = std::min(n, left.size());
        const auto b = std::as_bytes(left.first(n));
        left = left.subspan(n);
        return b;
    }
};

}  // namespace causeway::fuzz
