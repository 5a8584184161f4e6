// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"

#include <algorithm>
#include <cstdint>
#include <string>

namespace causeway::bdev_rbd {

/// How an operator wants a resize to be taken.
struct resize_request {
    std::uint64_t bytes = 0;
    bool allow_shrink = false;  ///< what lies beyond is destroyed
    bool force = false;         ///< however much it grows
};

/// A mistyped size takes effect at once, and can take years to shrink back. Up to this factor an image grows without
/// `force` …
inline constexpr std::uint64_t max_growth_factor = 16;
/// … or up to here, which a shrink undoes within the hour.
inline constexpr std::uint64_t always_allowed_bytes = std::uint64_t{1} << 40;

/// EINVAL (a shrink that is not allowed), EFBIG (growth that wants `force`). `cluster_bytes` is the raw capacity; 0:
/// unknown.
inline core::result<> check_resize(const resize_request& r, std::uint64_t present_bytes, std::uint64_t cluster_bytes,
                                   const std::string& about) {
    if (r.bytes < present_bytes && !r.allow_shrink)
        return core::fail(EINVAL,
                          "the new size is below the present one, and would destroy data: set allow_shrink to allow it",
                          about);
    if (r.bytes <= present_bytes || r.force)
        return {};
    if (cluster_bytes > 0 && r.bytes > cluster_bytes)
        return core::fail(EFBIG,
                          "the new size is more than the whole cluster holds (" + std::to_string(cluster_bytes >> 30) +
                              " GiB): set force if this is intended",
                          about);
    if (r.bytes > always_allowed_bytes && r.bytes / max_growth_factor > present_bytes)
        return core::fail(EFBIG,
                          "the new size is more than " + std::to_string(max_growth_factor) +
                              " times the present one: set force if this is intended",
                          about);
    return {};
}

}  // namespace causeway::bdev_rbd
