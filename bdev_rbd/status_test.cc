// SPDX-License-Identifier: Apache-2.0
#include "bdev_rbd/status.h"

#include <gtest/gtest.h>

namespace causeway::bdev_rbd {
namespace {

using bdev::op;
namespace sc = nvme::sc;

struct row {
    const char* sentence;
    std::int64_t librbd_result;
    op operation;
    std::uint64_t bytes;
    nvme::status expected;
};

const row rows[] = {
    {"a read that brings all its bytes succeeds", 4096, op::read, 4096, sc::success},
    {"a read cut short by a shrink brings no stale memory", 512, op::read, 4096, sc::lba_out_of_range.with_dnr()},
    {"a compare needs all its bytes, too", 0, op::compare, 512, sc::lba_out_of_range.with_dnr()},
    {"a write succeeds whatever number comes back", 0, op::write, 4096, sc::success},
    {"a flush has no bytes", 0, op::flush, 0, sc::success},
    {"a fenced gateway sends hosts elsewhere", -ESHUTDOWN, op::write, 4096, sc::internal_path_error},
    {"a fenced gateway's reads go elsewhere, too", -ESHUTDOWN, op::read, 4096, sc::internal_path_error},
    {"a cluster out of reach is a path error", -ETIMEDOUT, op::read, 4096, sc::internal_path_error},
    {"a lost connection is a path error", -ENOTCONN, op::flush, 0, sc::internal_path_error},
    {"a full pool is final", -ENOSPC, op::write, 4096, sc::capacity_exceeded.with_dnr()},
    {"a quota reached is final", -EDQUOT, op::write, 4096, sc::capacity_exceeded.with_dnr()},
    {"a lock that another client holds exclusively passes", -EROFS, op::write, 4096, sc::internal_path_error},
    {"missing capabilities are final", -EPERM, op::write, 4096, sc::access_denied.with_dnr()},
    {"a mismatch is a compare failure", -EILSEQ, op::compare_and_write, 512, sc::compare_failure.with_dnr()},
    {"a range past the end is out of range", -EINVAL, op::write, 4096, sc::lba_out_of_range.with_dnr()},
    {"a deleted image is gone for good", -ENOENT, op::write, 4096, sc::invalid_namespace_or_format.with_dnr()},
    {"what passes may be tried again", -EBUSY, op::write, 4096, sc::command_interrupted},
    {"lack of memory passes", -ENOMEM, op::read, 4096, sc::command_interrupted},
    {"what the cluster cannot read is a read error", -EIO, op::read, 4096, sc::unrecovered_read.with_dnr()},
    {"what the cluster cannot write is a write error", -EIO, op::write_zeroes, 4096, sc::write_fault.with_dnr()},
    {"what nobody has foreseen may be tried again", -EXDEV, op::read, 4096, sc::internal_error},
};

TEST(librbd_status, rows) {
    for (const row& r : rows)
        EXPECT_EQ(to_status(r.librbd_result, r.operation, r.bytes), r.expected)
            << r.sentence << ": " << nvme::to_string(to_status(r.librbd_result, r.operation, r.bytes));
}

TEST(librbd_status, a_path_error_never_says_do_not_retry) {
    for (const errno_meaning& m : meanings) {
        EXPECT_FALSE(m.status.ok()) << m.error;
        EXPECT_FALSE(m.status.type() == nvme::sct::path && m.status.dnr()) << m.error;
    }
}

}  // namespace
}  // namespace causeway::bdev_rbd
