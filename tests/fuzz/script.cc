// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/script.h"

#include <algorithm>

namespace causeway::fuzz {

std::uint32_t script::number(std::size_t bytes) noexcept {
    std::uint32_t n = 0;
    unsigned shift = 0;
    for (const std::uint8_t b : take(bytes)) {
        n |= std::uint32_t{b} << shift;
        shift += 8;
    }
    return n;
}

std::span<const std::uint8_t> script::take(std::size_t n) noexcept {
    n = std::min(n, rest_.size());
    const auto taken = rest_.first(n);
    rest_ = rest_.subspan(n);
    return taken;
}

std::optional<step> script::next() noexcept {
    if (rest_.empty())
        return std::nullopt;
    const std::uint32_t head = number(1);
    step s{};
    if ((head & 7) == 6) {
        s.what = step::kind::memory;
        s.offset = number(3);
        s.bytes = take(number(1));
        return s;
    }
    if ((head & 7) == 7) {
        s.what = step::kind::turns;
        s.turns = head >> 3;
        return s;
    }
    s.what = step::kind::capsule;
    s.to = (head & 7) == 5 ? step::queue::fresh : (head & 7) >= 3 ? step::queue::admin : step::queue::io;
    s.no_turns = head & 8;
    s.raw = rough_ && (head & 0x30) == 0x30;
    s.fresh_admin = head & 0x40;
    const std::uint32_t given = number(2);
    s.zeros = number(2);
    s.bytes = take(given);
    return s;
}

}  // namespace causeway::fuzz
