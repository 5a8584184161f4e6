// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <sys/uio.h>

namespace causeway::bdev_nvme {

/// Calls `f(begin, bytes)` for each piece of memory that holds a part of [skip, skip + bytes) of `data`, until it says
/// false. True: it never did, and all of it is there.
template <class F>
bool for_each_piece(std::span<const iovec> data, std::size_t skip, std::size_t bytes, F f) noexcept {
    for (const iovec& v : data) {
        if (skip >= v.iov_len) {
            skip -= v.iov_len;
            continue;
        }
        const std::size_t n = std::min(bytes, v.iov_len - skip);
        if (!f(static_cast<std::byte*>(v.iov_base) + skip, n))
            return false;
        skip = 0;
        bytes -= n;
        if (bytes == 0)
            return true;
    }
    return bytes == 0;
}

}  // namespace causeway::bdev_nvme
