// SPDX-License-Identifier: Apache-2.0
#include "bdev_rbd/resize_rules.h"

#include <gtest/gtest.h>

namespace causeway::bdev_rbd {
namespace {

constexpr std::uint64_t gib = 1 << 30, tib = 1024 * gib;

TEST(resize_rules, rows) {
    struct {
        const char* sentence;
        resize_request wanted;
        std::uint64_t present, cluster;
        int code;
    } const rows[] = {
        {"growth is everyday", {.bytes = 20 * gib}, 10 * gib, 0, 0},
        {"small disks may grow by any factor", {.bytes = 500 * gib}, gib, 0, 0},
        {"large ones by sixteen", {.bytes = 16 * tib}, tib, 0, 0},
        {"and no more", {.bytes = 17 * tib}, tib, 0, EFBIG},
        {"100 PiB is mistyped", {.bytes = 100 * 1024 * tib}, 100 * gib, 0, EFBIG},
        {"unless it is meant", {.bytes = 100 * 1024 * tib, .force = true}, 100 * gib, 0, 0},
        {"more than the cluster holds is mistyped", {.bytes = 20 * gib}, 10 * gib, 19 * gib, EFBIG},
        {"thin provisioning is meant", {.bytes = 20 * gib, .force = true}, 10 * gib, 19 * gib, 0},
        {"an image larger than the cluster stays as it is", {.bytes = 20 * gib}, 20 * gib, 19 * gib, 0},
        {"a shrink destroys data", {.bytes = gib}, 2 * gib, 0, EINVAL},
        {"force does not mean that", {.bytes = gib, .force = true}, 2 * gib, 0, EINVAL},
        {"allow_shrink does", {.bytes = gib, .allow_shrink = true}, 2 * gib, 0, 0},
    };
    for (const auto& row : rows) {
        const auto r = check_resize(row.wanted, row.present, row.cluster, "x");
        EXPECT_EQ(r ? 0 : r.error().code, row.code) << row.sentence;
    }
}

}  // namespace
}  // namespace causeway::bdev_rbd
