// SPDX-License-Identifier: Apache-2.0
#pragma once

// How an I/O goes to librbd and comes back: what the files of rbd_device share.

#include "bdev_rbd/rbd_device.h"
#include "ceph/tsan_annotations.h"

namespace causeway::bdev_rbd {

/// The most that librbd 16 compares and writes at once.
inline constexpr std::uint32_t sector_bytes = 512;

inline rbd_device& owner_of(const bdev::io& i) noexcept {
    return static_cast<rbd_device&>(*i.owner);
}

/// The result of `c`, which is then released.
inline std::int64_t result_of(rbd_completion_t c, bdev::io& i) noexcept {
    ceph::tsan_acquire_from_ceph(&i);
    const std::int64_t result = rbd_aio_get_return_value(c);
    rbd_aio_release(c);
    if (result == -ETIMEDOUT) [[unlikely]]
        owner_of(i).record_unanswered(i);
    return result;
}

/// Calls librbd with the image's handle; `done` is called on a thread of librbd's when it has finished.
template <class Call>
void rbd_device::call_librbd(bdev::io& i, rbd_callback_t done, Call call) noexcept {
    const rbd_image_t handle = handle_.load(std::memory_order_relaxed);
    if (!handle) [[unlikely]]  // suspended between two steps of this I/O
        return end(i, -ESHUTDOWN);
    rbd_completion_t c;
    if (const int r = rbd_aio_create_completion(&i, done, &c); r < 0)
        return end(i, r);
    ceph::tsan_release_to_ceph(&i);
    if (const auto r = call(handle, c); r < 0) {
        rbd_aio_release(c);
        end(i, r);
    }
}

}  // namespace causeway::bdev_rbd
