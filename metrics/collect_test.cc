// SPDX-License-Identifier: Apache-2.0
#include "metrics/collect.h"

#include "rpc/testing/rpc_fixture.h"

#include <gmock/gmock.h>
#include <prometheus/text_serializer.h>
#include <regex>
#include <sstream>

namespace causeway::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class collect_test : public ::testing::Test {
  protected:
    std::string page() { return prometheus::TextSerializer().Serialize(w.run(collect(from))); }

    rpc::test::method_fixture w;
    bdev_rbd::disk_params image{.image = {.pool = "rbd", .rados_namespace = "tenant", .name = "vm-17"}};
    std::size_t failed = 0;
    sources from{.devices = w.devices,
                 .image_of = [this](const bdev::device& d) { return d.name() == "Malloc0" ? &image : nullptr; },
                 .target = w.nvmf.target,
                 .host_name = "gw1",
                 .failed_calls = [this] { return failed; },
                 .configuration_is_stored = [] { return false; }};
};

TEST_F(collect_test, before_the_start_there_are_reactors_and_devices) {
    w.add_memory("Malloc1");
    EXPECT_THAT(page(), HasSubstr("ceph_nvmeof_reactor_seconds_total{name=\"nvmf_tgt_poll_group_000\",mode=\"busy\"}"));
    EXPECT_THAT(page(), HasSubstr("ceph_nvmeof_bdev_capacity_bytes{bdev_name=\"Malloc1\"} 1048576"));
    EXPECT_THAT(page(), Not(HasSubstr("ceph_nvmeof_bdev_metadata")));
}

TEST_F(collect_test, shows_what_is_exported_under_the_names_of_ceph_nvmeof) {
    w.furnish();
    w.result("nvmf_subsystem_add_host", R"({"nqn": "nqn.2024-01.io.example:a", "host": "nqn.2024-01.io.example:h"})");
    failed = 3;
    const std::string text = page();
    EXPECT_THAT(text,
                HasSubstr("ceph_nvmeof_bdev_metadata{bdev_name=\"Malloc0\",pool_name=\"rbd\",namespace=\"tenant\","
                          "rbd_name=\"vm-17\",block_size=\"512\"} 1"));
    const std::string nqn = "{nqn=\"nqn.2024-01.io.example:a\"";
    EXPECT_THAT(text, HasSubstr("ceph_nvmeof_subsystem_listener_count" + nqn + "} 1"));
    EXPECT_THAT(text, HasSubstr("ceph_nvmeof_subsystem_host_count" + nqn + "} 1"));
    EXPECT_THAT(text, HasSubstr("ceph_nvmeof_subsystem_namespace_count" + nqn + "} 1"));
    EXPECT_THAT(text, HasSubstr("ceph_nvmeof_subsystem_namespace_metadata" + nqn +
                                ",nsid=\"1\",bdev_name=\"Malloc0\",anagrpid=\"1\"} 1"));
    EXPECT_THAT(text, HasSubstr("host_nqn=\"nqn.2024-01.io.example:h\",host_addr=\"<n/a>\"} 0"));
    EXPECT_THAT(text, HasSubstr("causeway_configuration_failed_calls 3"));
    EXPECT_THAT(text, HasSubstr("causeway_configuration_stored 0"));
    EXPECT_THAT(text, HasSubstr("causeway_nvmf_current_io_qpairs"));
    EXPECT_THAT(text, Not(HasSubstr("discovery")));
}

TEST_F(collect_test, every_line_is_one_that_prometheus_takes_and_no_series_comes_twice) {
    w.furnish();
    const std::regex sample(R"re([a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-z_]+="([^"\\\n]|\\.)*",?)*\})? [-+0-9.e]+)re");
    std::istringstream lines(page());
    std::set<std::string> seen;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("#"))
            continue;
        EXPECT_TRUE(std::regex_match(line, sample)) << line;
        EXPECT_TRUE(seen.insert(line.substr(0, line.rfind(' '))).second) << line;
    }
    EXPECT_GT(seen.size(), 60u);
}

TEST_F(collect_test, latencies_are_in_seconds) {
    w.add_memory("Malloc0");
    EXPECT_THAT(page(), HasSubstr("causeway_bdev_latency_seconds_total{"));
    EXPECT_THAT(page(), Not(HasSubstr("ticks")));
}

}  // namespace
}  // namespace causeway::metrics
