// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/io.h"
#include "nvme/status.h"

#include <cerrno>
#include <cstdint>

namespace causeway::bdev_rbd {

/// Results of librbd and librados, and the statuses that hosts get for them. What is not here is an internal error that
/// the host may try again.
///
/// DNR is the contract with the host's multipathing: clear wherever another gateway, or a later try, could still
/// succeed; set wherever a retry must fail the same way.
struct errno_meaning {
    int error;
    nvme::status status;
};
inline constexpr errno_meaning meanings[] = {
    // This gateway is cut off, not the image: another path may serve it. A media error here would reach the file
    // system above.
    {ESHUTDOWN, nvme::sc::internal_path_error},  // blocklisted: fenced by the gateway that took over
    {ETIMEDOUT, nvme::sc::internal_path_error},  // rados_osd_op_timeout
    {ENOTCONN, nvme::sc::internal_path_error},
    {ECONNREFUSED, nvme::sc::internal_path_error},
    {ECONNRESET, nvme::sc::internal_path_error},
    {EHOSTUNREACH, nvme::sc::internal_path_error},
    {ENETUNREACH, nvme::sc::internal_path_error},
    // Another client holds the image's lock exclusively, or the image was demoted to a mirror's secondary. It passes,
    // and another gateway may be the one that holds the lock. An image opened read-only never gets here: bdev::device
    // refuses.
    {EROFS, nvme::sc::internal_path_error},

    // Passing: the same command may succeed a moment later.
    {EAGAIN, nvme::sc::command_interrupted},
    {EBUSY, nvme::sc::command_interrupted},
    {EINTR, nvme::sc::command_interrupted},
    {ECANCELED, nvme::sc::command_interrupted},
    {ENOMEM, nvme::sc::command_interrupted},

    // Final on every path.
    {ENOSPC, nvme::sc::capacity_exceeded.with_dnr()},
    {EDQUOT, nvme::sc::capacity_exceeded.with_dnr()},
    {EPERM, nvme::sc::access_denied.with_dnr()},  // the user's capabilities
    {EACCES, nvme::sc::access_denied.with_dnr()},
    {EILSEQ, nvme::sc::compare_failure.with_dnr()},
    {EOPNOTSUPP, nvme::sc::invalid_opcode.with_dnr()},
    {EINVAL, nvme::sc::lba_out_of_range.with_dnr()},  // ranges are checked before: the image has shrunk since
    {ENOENT, nvme::sc::invalid_namespace_or_format.with_dnr()},  // the image or its pool is gone
    {ENODEV, nvme::sc::invalid_namespace_or_format.with_dnr()},  // the image is in the trash
};

/// Translates a librbd completion into the status that the host acts on. `bytes` is the length of the I/O.
///
/// A read that comes back short ends with LBA Out of Range: the image has shrunk under it, and what librbd has not
/// filled in must not reach the host. Runs on any thread, librbd's included. Pure.
constexpr nvme::status to_status(std::int64_t librbd_result, bdev::op operation, std::uint64_t bytes) noexcept {
    using bdev::op;
    if (librbd_result >= 0) {
        const bool short_read =
            (operation == op::read || operation == op::compare) && static_cast<std::uint64_t>(librbd_result) < bytes;
        return short_read ? nvme::sc::lba_out_of_range.with_dnr() : nvme::sc::success;
    }
    if (librbd_result == -EIO)  // the cluster has tried all copies
        return (bdev::changes_content(operation) ? nvme::sc::write_fault : nvme::sc::unrecovered_read).with_dnr();
    for (const errno_meaning& m : meanings)
        if (librbd_result == -m.error)
            return m.status;
    return nvme::sc::internal_error;
}

}  // namespace causeway::bdev_rbd
