// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/counters.h"

#include <gtest/gtest.h>
#include <string_view>
#include <vector>

namespace causeway::tcp {
namespace {

/// Clients read them by position and by name.
TEST(counters, members_of_nvmf_get_stats_keep_their_names_and_their_order) {
    std::vector<std::string_view> names;
    for (const core::metric& m : handshake_rows)
        names.push_back(m.json_name);
    for (const core::metric& m : poll_group_rows)
        if (!m.json_name.empty())
            names.push_back(m.json_name);
    EXPECT_EQ(names, (std::vector<std::string_view>{
                         "accepted", "handshakes_refused", "handshakes_timed_out", "handshakes_lost", "evicting",
                         "no_memory", "accept_pauses", "polls", "idle_polls", "requests", "receives", "sends",
                         "blocked_sends", "violations", "request_latency", "fetch_latency", "execute_latency"}));
}

}  // namespace
}  // namespace causeway::tcp
