// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace causeway::bdev {

/// How much I/O may be started per second; 0: as much as is asked for. All of them hold at the same time. SPDK's
/// bdev_set_qos_limit has the same four.
struct rate_limits {
    std::uint64_t rw_ios_per_sec = 0;
    std::uint64_t rw_mbytes_per_sec = 0;  ///< MiB
    std::uint64_t r_mbytes_per_sec = 0;   ///< MiB
    std::uint64_t w_mbytes_per_sec = 0;   ///< MiB

    bool any() const noexcept { return rw_ios_per_sec || rw_mbytes_per_sec || r_mbytes_per_sec || w_mbytes_per_sec; }
    bool operator==(const rate_limits&) const = default;
};

}  // namespace causeway::bdev
