// SPDX-License-Identifier: Apache-2.0
#include "transport/rdma/receive_quota.h"

#include <gtest/gtest.h>

namespace causeway::rdma {
namespace {

TEST(receive_quota, cores_have_as_many_as_they_have) {
    receive_quota q(2, 100);
    q.take(0, "a", 90);
    EXPECT_FALSE(q.has_room(0, 11));
    EXPECT_TRUE(q.has_room(0, 10));
    EXPECT_TRUE(q.has_room(1, 100));
    q.release(0, "a", 90);
    EXPECT_TRUE(q.has_room(0, 100));
}

/// `k` peers that take what they can get leave at least 1/(k+1), but for the last queue of each.
TEST(receive_quota, peers_that_take_all_they_can_leave_the_rest_its_share) {
    constexpr std::uint32_t per_core = 6000, cores = 2, queue = 10;
    for (std::uint32_t k = 1; k <= 8; ++k) {
        receive_quota q(cores, per_core);
        for (bool more = true; more;) {
            more = false;
            for (std::uint32_t peer = 0; peer < k; ++peer) {
                const std::string name = std::to_string(peer);
                const std::size_t core = q.has_room(0, queue) ? 0 : 1;
                if (!q.allows(name, queue) || !q.has_room(core, queue))
                    continue;
                q.take(core, name, queue);
                more = true;
            }
        }
        const std::uint64_t left = per_core * cores - q.promised();
        EXPECT_GE(left + k * queue, per_core * cores / (k + 1)) << k;
        EXPECT_TRUE(q.allows("a stranger", queue)) << k;
    }
}

}  // namespace
}  // namespace causeway::rdma
