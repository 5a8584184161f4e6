// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/transport.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace causeway::nvmf {

/// Entry `index` of the list of ranges that is a command's data, wherever that data is cut.
template <class Range>
Range range_at(const request& r, std::uint32_t index) noexcept {
    Range range{};
    std::size_t skip = index * sizeof range;
    auto* to = reinterpret_cast<std::byte*>(&range);
    std::size_t left = sizeof range;
    for (const iovec& piece : r.data()) {
        if (skip >= piece.iov_len) {
            skip -= piece.iov_len;
            continue;
        }
        const std::size_t n = std::min(left, piece.iov_len - skip);
        std::memcpy(to, static_cast<const std::byte*>(piece.iov_base) + skip, n);
        to += n;
        left -= n;
        skip = 0;
        if (left == 0)
            break;
    }
    return range;
}

}  // namespace causeway::nvmf
