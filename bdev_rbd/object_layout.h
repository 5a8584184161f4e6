#pragma once

#include <algorithm>
#include <cstdint>

namespace causeway::bdev_rbd {

/// How an image's bytes are spread over its objects. Ceph documentation, "Architecture: Data Striping": `stripe_bytes` go to each of
/// `stripe_count` objects in turn, until all of these are full; then the next so many objects are begun.
struct object_layout {
    std::uint64_t object_bytes = 4 << 20;
    std::uint64_t stripe_bytes = 4 << 20;  ///< divides object_bytes
    std::uint64_t stripe_count = 1;

    friend bool operator==(const object_layout&, const object_layout&) = default;

    struct position {
        std::uint64_t object;
        std::uint64_t offset;  ///< bytes, in the object
        friend bool operator==(const position&, const position&) = default;
    };
    constexpr position of(std::uint64_t image_offset) const noexcept {
        const std::uint64_t unit = image_offset / stripe_bytes, stripe = unit / stripe_count;
        const std::uint64_t stripes_per_object = object_bytes / stripe_bytes;
        return {stripe / stripes_per_object * stripe_count + unit % stripe_count,
                stripe % stripes_per_object * stripe_bytes + image_offset % stripe_bytes};
    }
};

}  // namespace causeway::bdev_rbd
