// SPDX-License-Identifier: Apache-2.0
// Compare and Write of one block, atomic in the cluster, against every gateway.
//
// librbd does it, but its release 16 takes no more than a sector of 512 bytes. Which release is there shows in its
// first answer. Where it refuses, a block goes to its object by RADOS's own operation, in two steps:
//
// 1. librbd compares and writes the block's first sector, with the same bytes for both. That changes no content, but
//    afterwards the object is as librbd wants it before a write: copied up from the parent, known to the object map,
//    preserved for the snapshots, on an image whose lock is ours.
// 2. One operation of the OSD compares the whole block and writes it, or fails if the object has gone meanwhile.
//
// librbd's exclusive lock would not do instead of the second step: librbd hands it to other clients whenever they ask.

#include "bdev_rbd/calls.h"

#include <atomic>
#include <new>
#include <rados/librados.h>

namespace causeway::bdev_rbd {

namespace {

enum class whole_blocks : int { unknown, taken, refused };
/// Whether the librbd that is there compares more than a sector.
std::atomic<whole_blocks> librbd_compares{whole_blocks::unknown};

/// librados says where a comparison failed: at byte n it is this, minus n.
constexpr int librados_mismatch = -4095;

/// The block to compare with and the one to write, one after the other in flat memory; nullptr: not found. answer()
/// frees it.
std::byte* flatten(bdev::io& i, std::uint64_t length) noexcept {
    auto* flat = new (std::nothrow) std::byte[2 * length];
    if (flat) {
        bdev::copy_out(flat, i.data, length);
        bdev::copy_out(flat + length, i.write_data, length);
    }
    i.back_end = flat;
    return flat;
}

const char* chars(const void* p) noexcept {
    return static_cast<const char*>(p);
}

}  // namespace

void rbd_device::compare_and_write(bdev::io& i) noexcept {
    const std::uint64_t length = bytes(i.length_blocks);
    const bool flat = i.data.size() == 1 && i.write_data.size() == 1;
    if ((!flat || length > sector_bytes) && !flatten(i, length))
        return end(i, -ENOMEM);
    if (length > sector_bytes && librbd_compares.load(std::memory_order_relaxed) == whole_blocks::refused)
        make_object_current(i);
    else
        compare_and_write_by_librbd(i);
}

void rbd_device::compare_and_write_by_librbd(bdev::io& i) noexcept {
    const std::uint64_t length = bytes(i.length_blocks);
    const char* const flat = chars(i.back_end);
    const char* const compare = flat ? flat : chars(i.data.front().iov_base);
    const char* const write = flat ? flat + length : chars(i.write_data.front().iov_base);
    call_librbd(i, librbd_compared, [&](rbd_image_t image, rbd_completion_t c) {
        return rbd_aio_compare_and_write(image, bytes(i.offset_blocks), length, compare, write, c, &i.back_end_value,
                                         0);
    });
}

void rbd_device::librbd_compared(rbd_completion_t c, void* arg) noexcept {
    auto& i = *static_cast<bdev::io*>(arg);
    auto& self = owner_of(i);
    const auto r = result_of(c, i);
    if (self.bytes(i.length_blocks) > sector_bytes) {
        if (r >= 0 || r == -EILSEQ)
            librbd_compares.store(whole_blocks::taken, std::memory_order_relaxed);
        // The range was checked, so it is the length that librbd does not take, or the image has shrunk since: then the
        // first sector says so.
        if (r == -EINVAL && librbd_compares.load(std::memory_order_relaxed) != whole_blocks::taken) {
            librbd_compares.store(whole_blocks::refused, std::memory_order_relaxed);
            i.handle = [](core::message& m) noexcept {
                auto& i = static_cast<bdev::io&>(m);
                owner_of(i).compare_and_write_in_two_steps(i);
            };
            return self.lease_.home().post(i);
        }
    }
    self.written(i, r);
}

/// After librbd has refused.
void rbd_device::compare_and_write_in_two_steps(bdev::io& i) noexcept {
    if (const int late = refusal(i))
        return end(i, late);
    make_object_current(i);
}

void rbd_device::make_object_current(bdev::io& i) noexcept {
    if (journaling_.load(std::memory_order_relaxed))
        return end(i, -EOPNOTSUPP);  // since the device was made: the second step would never reach the mirror
    const char* const expected = chars(i.back_end);
    call_librbd(i, object_is_current, [&](rbd_image_t image, rbd_completion_t c) {
        return rbd_aio_compare_and_write(image, bytes(i.offset_blocks), sector_bytes, expected, expected, c,
                                         &i.back_end_value, 0);
    });
}

void rbd_device::object_is_current(rbd_completion_t c, void* arg) noexcept {
    auto& i = *static_cast<bdev::io*>(arg);
    auto& self = owner_of(i);
    const auto r = result_of(c, i);
    if (r < 0)
        return self.end(i, r);
    i.handle = [](core::message& m) noexcept {
        auto& i = static_cast<bdev::io&>(m);
        owner_of(i).compare_and_write_object(i);
    };
    self.lease_.home().post(i);
}

void rbd_device::compare_and_write_object(bdev::io& i) noexcept {
    // What librbd would check, and issue() with it.
    if (!handle_.load(std::memory_order_relaxed))
        return end(i, -ESHUTDOWN);
    if (i.offset_blocks + i.length_blocks > blocks())
        return end(i, -EINVAL);
    if (const int late = refusal(i))
        return end(i, late);
    const std::uint64_t length = bytes(i.length_blocks);
    const auto at = info_.layout.of(bytes(i.offset_blocks));
    const char* const flat = chars(i.back_end);
    rados_completion_t c;
    if (const int r = rados_aio_create_completion2(&i, object_compared, &c); r < 0)
        return end(i, r);
    const rados_write_op_t op = rados_create_write_op();
    rados_write_op_assert_exists(op);
    rados_write_op_cmpext(op, flat, length, at.offset, nullptr);
    rados_write_op_write(op, flat + length, length, at.offset);
    ceph::tsan_release_to_ceph(&i);
    const int r =
        rados_aio_write_op_operate(op, image_->data_io(), c, image_->data_object(at.object).c_str(), nullptr, 0);
    rados_release_write_op(op);
    if (r < 0) {
        rados_aio_release(c);
        end(i, r);
    }
}

void rbd_device::object_compared(rados_completion_t c, void* arg) noexcept {
    auto& i = *static_cast<bdev::io*>(arg);
    ceph::tsan_acquire_from_ceph(&i);
    const int r = rados_aio_get_return_value(c);
    rados_aio_release(c);
    if (r == -ETIMEDOUT)
        owner_of(i).record_unanswered(i);
    if (r <= librados_mismatch)
        owner_of(i).end(i, -EILSEQ);
    else  // a discard has taken the object away in between: the host may try again
        owner_of(i).written(i, r == -ENOENT ? -EAGAIN : r);
}

}  // namespace causeway::bdev_rbd
