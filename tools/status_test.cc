// SPDX-License-Identifier: Apache-2.0
#include "tools/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>

namespace causeway::tools {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A gateway of two cores with an image on the second, a null device on both, and one host.
sample gateway(std::uint64_t ticks, std::uint64_t busy, std::uint64_t reads) {
    sample s;
    s.reactors = {{"reactors",
                   {{{"lcore", 4}, {"busy", 100}, {"idle", ticks - 100}},
                    {{"lcore", 7}, {"busy", busy}, {"idle", ticks - busy}}}}};
    s.channels = {{"threads",
                   {{{"name", "nvmf_tgt_poll_group_000"}, {"io_channels", {{{"name", "Null0"}, {"ref", 0}}}}},
                    {{"name", "nvmf_tgt_poll_group_001"},
                     {"io_channels", {{{"name", "Ceph0"}, {"ref", 1}}, {{"name", "Null0"}, {"ref", 0}}}}}}}};
    s.bdevs = {{{"name", "Ceph0"},
                {"product_name", "Ceph Rbd Disk"},
                {"driver_specific", {{"rbd", {{"pool_name", "rbd"}, {"rbd_name", "vm-17"}}}}}},
               {{"name", "Null0"}, {"product_name", "Null disk"}, {"driver_specific", json::object()}}};
    s.iostat = {{"tick_rate", 1000},
                {"ticks", ticks},
                {"bdevs",
                 {{{"name", "Ceph0"},
                   {"num_read_ops", reads},
                   {"num_write_ops", 2 * reads},
                   {"bytes_read", reads * 4096},
                   {"bytes_written", 0}},
                  {{"name", "Null0"}, {"num_read_ops", 0}}}}};
    s.subsystems = {{{"nqn", "nqn.a"}, {"namespaces", {{{"nsid", 3}, {"bdev_name", "Ceph0"}}}}}};
    const json peer = {{"trtype", "RDMA"}, {"adrfam", "IPv4"}, {"traddr", "10.0.0.9"}, {"trsvcid", "4711"}};
    s.qpairs["nqn.a"] = {{{"cntlid", 1},
                          {"qid", 0},
                          {"thread", "nvmf_tgt_poll_group_000"},
                          {"hostnqn", "nqn.host"},
                          {"peer_address", peer}},
                         {{"cntlid", 1},
                          {"qid", 1},
                          {"thread", "nvmf_tgt_poll_group_001"},
                          {"hostnqn", "nqn.host"},
                          {"peer_address", peer}},
                         {{"cntlid", 1},
                          {"qid", 2},
                          {"thread", "nvmf_tgt_poll_group_001"},
                          {"hostnqn", "nqn.host"},
                          {"peer_address", peer}}};
    return s;
}

TEST(status, rates_are_those_between_two_samples) {
    const auto s = compare(gateway(1000, 500, 100), gateway(3000, 1500, 500));
    EXPECT_THAT(s.seconds, DoubleNear(2, 1e-9));
    ASSERT_EQ(s.cores.size(), 2u);
    EXPECT_THAT(s.cores[0].busy, DoubleNear(0, 1e-9));
    EXPECT_THAT(s.cores[1].busy, DoubleNear(0.5, 1e-9));
    ASSERT_EQ(s.disks.size(), 2u);
    EXPECT_THAT(s.disks[0].reads, DoubleNear(200, 1e-9));
    EXPECT_THAT(s.disks[0].writes, DoubleNear(400, 1e-9));
    EXPECT_THAT(s.disks[0].mib, DoubleNear(200 * 4096 / 1048576.0, 1e-9));
    EXPECT_EQ(s.disks[1].reads, 0);
}

TEST(status, shows_the_core_of_each_disk_and_host) {
    const auto s = compare(gateway(1000, 500, 100), gateway(3000, 1500, 500));
    EXPECT_EQ(s.disks[0].what, "rbd/vm-17");
    EXPECT_EQ(s.disks[0].core, 1);
    EXPECT_THAT(s.disks[0].exported, ElementsAre("nqn.a:3"));
    EXPECT_EQ(s.disks[1].core, -1);
    EXPECT_EQ(s.cores[1].disks, 1u);
    EXPECT_EQ(s.cores[0].queues, 1u);
    EXPECT_EQ(s.cores[1].queues, 2u);
    ASSERT_EQ(s.hosts.size(), 1u);
    EXPECT_EQ(s.hosts[0].address, "RDMA 10.0.0.9");
    EXPECT_EQ(s.hosts[0].queues, 3u);
    EXPECT_THAT(s.hosts[0].cores, ElementsAre(0, 1));
}

TEST(status, shows_calls_of_the_configuration_that_failed) {
    sample once = gateway(1000, 250, 100);
    EXPECT_THAT(to_text(compare(once, once)), ::testing::Not(HasSubstr("FAILED")));
    once.failed_config = {{{"id", 3},
                           {"attempts", 2},
                           {"method", "nvmf_subsystem_add_ns"},
                           {"params", {{"nqn", "nqn.a"}, {"namespace", {{"bdev_name", "Ceph3"}}}}},
                           {"message", "waits for what has failed"}}};
    const auto s = compare(once, once);
    EXPECT_THAT(to_text(s), HasSubstr("FAILED CONFIGURATION"));
    EXPECT_THAT(to_text(s), HasSubstr("Ceph3"));
    EXPECT_EQ(to_json(s)["failed_config"][0]["of"], "Ceph3");
}

TEST(status, shows_when_a_failed_call_is_tried_again) {
    sample once = gateway(1000, 250, 100);
    const json planned = {{"id", 3}, {"method", "m"}, {"next_attempt_ms", 7000}}, waits = {{"id", 4}, {"method", "m"}};
    once.failed_config = json::array({planned, waits});
    const auto s = compare(once, once);
    EXPECT_THAT(to_text(s), HasSubstr("in 7 s"));
    EXPECT_THAT(to_text(s), HasSubstr("waits"));
    EXPECT_EQ(to_json(s)["failed_config"][0]["next_attempt_seconds"], 7.0);
    EXPECT_TRUE(to_json(s)["failed_config"][1]["next_attempt_seconds"].is_null());
}

TEST(status, shows_subsystems_listeners_and_transports) {
    sample once = gateway(1000, 250, 100);
    once.subsystems[0]["hosts"] = json::array({{{"nqn", "nqn.host"}}, {{"nqn", "nqn.other"}}});
    const json address = {{"trtype", "RDMA"}, {"traddr", "10.0.0.1"}, {"trsvcid", "4420"}};
    const json states = json::array({{{"ana_group", 1}, {"ana_state", "optimized"}},
                                     {{"ana_group", 2}, {"ana_state", "optimized"}},
                                     {{"ana_group", 3}, {"ana_state", "inaccessible"}}});
    once.listeners["nqn.a"] = json::array({{{"address", address}, {"ana_states", states}}});
    once.transports = json::array({{{"trtype", "RDMA"}, {"max_queue_depth", 128}}, {{"trtype", "TCP"}}});
    const auto s = compare(once, once);
    EXPECT_THAT(to_text(s), HasSubstr("nqn.a               1              2          1\n"));
    EXPECT_THAT(to_text(s), HasSubstr("RDMA 10.0.0.1 4420  nqn.a      optimized 1-2, inaccessible 3\n"));
    EXPECT_THAT(to_text(s), HasSubstr("RDMA               1       3\n"));
    EXPECT_EQ(to_json(s)["listeners"][0]["ana"], "optimized 1-2, inaccessible 3");
    EXPECT_EQ(to_json(s)["transports"][0]["options"]["max_queue_depth"], 128);
    EXPECT_EQ(to_json(s)["subsystems"][0]["allowed_hosts"], 2);
    once.subsystems[0]["allow_any_host"] = true;
    EXPECT_THAT(to_text(compare(once, once)), HasSubstr("any          1\n"));
    EXPECT_EQ(ana_text(json::array({states[0], states[1]})), "optimized");
}

TEST(status, one_sample_gives_no_rates_and_the_share_since_the_start) {
    const sample once = gateway(1000, 250, 100);
    const auto s = compare(once, once);
    EXPECT_EQ(s.seconds, 0);
    EXPECT_THAT(s.cores[1].busy, DoubleNear(0.25, 1e-9));
    EXPECT_THAT(to_text(s), HasSubstr("since the start"));
    EXPECT_FALSE(to_json(s)["disks"][0].contains("reads_per_second"));
}

TEST(status, a_disk_added_between_two_samples_has_no_rates) {
    sample before = gateway(1000, 500, 100);
    before.iostat["bdevs"] = json::array();
    const auto s = compare(before, gateway(3000, 1500, 500));
    EXPECT_EQ(s.disks[0].reads, 0);
}

TEST(status, is_printed_as_tables) {
    const auto text = to_text(compare(gateway(1000, 500, 100), gateway(3000, 1500, 500)));
    EXPECT_THAT(text, HasSubstr("CORES, over 2.0 s\n"));
    EXPECT_THAT(text, HasSubstr("   1    7  50.0%      1       2\n"));
    EXPECT_THAT(text, HasSubstr("Ceph0  rbd/vm-17     1      200       400    0.8  nqn.a:3\n"));
    EXPECT_THAT(text, HasSubstr("nqn.host  RDMA 10.0.0.9  nqn.a           3  0,1\n"));
}

TEST(status, an_empty_gateway_is_reported_as_such) {
    sample s = gateway(1000, 500, 100);
    s.bdevs = json::array();
    s.qpairs.clear();
    const auto text = to_text(compare(s, s));
    EXPECT_THAT(text, HasSubstr("there are none"));
    EXPECT_THAT(text, HasSubstr("none is connected"));
}

}  // namespace
}  // namespace causeway::tools
