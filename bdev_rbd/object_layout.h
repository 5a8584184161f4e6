// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

namespace causeway::bdev_rbd {

/// How an image's bytes are spread over its objects. Ceph documentation, "Architecture: Data Striping": `stripe_bytes`
/// go to each of `stripe_count` objects in turn, until all of these are full; then the next so many objects are begun.
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

    /// How many objects a range touches, at most. REQUIRES: length > 0.
    constexpr std::uint64_t objects(std::uint64_t begin, std::uint64_t length) const noexcept {
        const std::uint64_t last = begin + length - 1, set_bytes = object_bytes * stripe_count;
        const std::uint64_t sets = last / set_bytes - begin / set_bytes + 1;
        if (stripe_count == 1)
            return sets;
        return std::min(last / stripe_bytes - begin / stripe_bytes + 1, sets * stripe_count);
    }

    /// The shortest range of the image that is `in_each` bytes of each object that it touches, wherever a multiple of
    /// its length begins. REQUIRES: in_each divides object_bytes, and one of in_each and stripe_bytes the other.
    constexpr std::uint64_t granule(std::uint64_t in_each) const noexcept {
        return in_each > stripe_bytes ? in_each * stripe_count : in_each;
    }

    /// Of a range, the length of the first piece that touches no more than `max_objects`, or one set of objects; it
    /// ends where a set does.
    constexpr std::uint64_t piece(std::uint64_t begin, std::uint64_t length, std::uint64_t max_objects) const noexcept {
        const std::uint64_t bytes =
            std::max<std::uint64_t>(1, max_objects / stripe_count) * stripe_count * object_bytes;
        return std::min(length, bytes - begin % bytes);
    }
};

}  // namespace causeway::bdev_rbd
