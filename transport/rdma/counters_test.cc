// SPDX-License-Identifier: Apache-2.0
#include "transport/rdma/counters.h"

#include <gtest/gtest.h>
#include <string_view>
#include <vector>

namespace causeway::rdma {
namespace {

/// Clients read them by position and by name.
TEST(counters, members_of_nvmf_get_stats_keep_their_names_and_their_order) {
    std::vector<std::string_view> names;
    for (const core::metric& m : poll_group_rows)
        if (!m.json_name.empty())
            names.push_back(m.json_name);
    for (const core::metric& m : receive_rows)
        if (!m.json_name.empty())
            names.push_back(m.json_name);
    EXPECT_EQ(names, (std::vector<std::string_view>{"polls", "idle_polls", "completions", "requests", "request_latency",
                                                    "fetch_latency", "execute_latency", "pending_free_request",
                                                    "pending_rdma_read", "pending_rdma_write", "pending_rdma_send",
                                                    "total_send_wrs", "send_doorbell_updates", "total_recv_wrs",
                                                    "recv_doorbell_updates"}));
}

}  // namespace
}  // namespace causeway::rdma
