// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/error_log.h"

#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace causeway::nvmf {
namespace {

TEST(error_log, cores_add_while_another_reads_and_no_entry_is_torn) {
    error_log log;
    std::atomic<bool> stop{false};
    std::vector<std::thread> cores;
    for (unsigned core = 1; core <= 3; ++core) {
        cores.emplace_back([&, core] {
            while (!stop.load(std::memory_order_relaxed)) {
                nvme::error_information_entry e{};
                e.sqid = static_cast<std::uint16_t>(core);
                e.nsid = core;
                e.lba = core;
                e.command_specific = core;
                log.add(e);
            }
        });
    }
    unsigned seen = 0;
    for (int i = 0; i < 2000 || seen == 0; ++i) {
        std::array<nvme::error_information_entry, error_log::entries> all{};
        const unsigned n = log.read(all);
        seen += n;
        for (unsigned k = 0; k < n; ++k) {
            ASSERT_EQ(all[k].nsid, all[k].sqid);
            ASSERT_EQ(all[k].lba, all[k].sqid);
            ASSERT_EQ(all[k].command_specific, all[k].sqid);
            if (k > 0) {
                ASSERT_LT(all[k].error_count, all[k - 1].error_count);
            }
        }
    }
    stop = true;
    for (auto& c : cores)
        c.join();
}

}  // namespace
}  // namespace causeway::nvmf
