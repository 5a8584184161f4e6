// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/status.h"

#include <gtest/gtest.h>

namespace causeway::bdev_nvme {
namespace {

using nvme::sct;
using nvme::status;
namespace sc = nvme::sc;

TEST(status, the_status_of_a_device_becomes_the_status_for_hosts) {
    struct row {
        const char* sentence;
        status from_device, to_host;
    };
    const row rows[] = {
        {"success is success", sc::success, sc::success},
        {"the medium's errors are the host's", sc::unrecovered_read.with_dnr(), sc::unrecovered_read.with_dnr()},
        {"a difference is what was asked for", sc::compare_failure, sc::compare_failure},
        {"without More: the host cannot read that log page", sc::unrecovered_read.with_more(), sc::unrecovered_read},
        {"and without the device's own delay", sc::namespace_not_ready.with_crd(2), sc::namespace_not_ready},
        {"a range may be wrong by now", sc::lba_out_of_range.with_dnr(), sc::lba_out_of_range.with_dnr()},
        {"a full device is final", sc::capacity_exceeded.with_dnr(), sc::capacity_exceeded.with_dnr()},
        {"a read-only one, too", sc::namespace_is_write_protected.with_dnr(),
         sc::namespace_is_write_protected.with_dnr()},
        {"what we said wrongly is our error", sc::invalid_field.with_dnr(), sc::internal_error.with_dnr()},
        {"and our pointers are nobody else's", sc::prp_offset_invalid, sc::internal_error},
        {"what we aborted may be tried again", sc::aborted_by_request.with_dnr(), sc::internal_path_error},
        {"what its maker alone understands is an error", status(sct::vendor, 0x42, true),
         sc::internal_error.with_dnr()},
    };
    for (const row& r : rows)
        EXPECT_EQ(to_host(r.from_device), r.to_host) << r.sentence;
}

}  // namespace
}  // namespace causeway::bdev_nvme
