// SPDX-License-Identifier: Apache-2.0
#include "tools/export_image.h"

#include <cerrno>
#include <gmock/gmock.h>
#include <map>

namespace causeway::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// What a gateway answers, kept as simple as these calls are. The real one is asked in tests/gateway and tests/ceph.
class gateway {
  public:
    caller call() {
        return [this](const std::string& method, const json& params) { return answer(method, params); };
    }
    core::result<json> answer(const std::string& method, const json& params) {
        if (method.find("_get_") == std::string::npos)
            changes.push_back(method);
        if (const auto broken = failures.find(method); broken != failures.end())
            return core::fail(-5, broken->second);
        if (method == "bdev_get_bdevs")
            return devices;
        if (method == "bdev_rbd_get_clusters_info" && clusters.empty())
            return core::fail(-ENOENT, "no cluster is registered");
        if (method == "bdev_rbd_get_clusters_info")
            return clusters;
        if (method == "nvmf_get_transports")
            return transports;
        if (method == "nvmf_get_subsystems")
            return subsystems;
        if (method == "bdev_rbd_register_cluster")
            clusters.push_back({{"cluster_name", params["name"]}});
        if (method == "bdev_rbd_create")
            devices.push_back({{"name", params["name"]},
                               {"uuid", "12345678-1234-5678-9abc-123456789abc"},
                               {"driver_specific",
                                {{"rbd", {{"pool_name", params["pool_name"]}, {"rbd_name", params["rbd_name"]}}}}}});
        if (method == "nvmf_create_transport") {
            if (params["trtype"] == "RDMA" && !has_rdma)
                return core::fail(-19, "there is no RDMA device");
            transports.push_back(params);
        }
        if (method == "nvmf_create_subsystem")
            subsystems.push_back({{"nqn", params["nqn"]}, {"allow_any_host", params["allow_any_host"]}});
        if (method == "nvmf_subsystem_add_ns") {
            subsystems[0]["namespaces"] = json::array({{{"nsid", 1}, {"bdev_name", params["namespace"]["bdev_name"]}}});
            return json(1);
        }
        if (method == "nvmf_subsystem_add_host")
            subsystems[0]["hosts"].push_back({{"nqn", params["host"]}});
        if (method == "nvmf_subsystem_add_listener")
            subsystems[0]["listen_addresses"].push_back(params["listen_address"]);
        return json(true);
    }

    json devices = json::array(), clusters = json::array(), transports = json::array(), subsystems = json::array();
    std::map<std::string, std::string> failures;
    std::vector<std::string> changes;
    bool has_rdma = true;
};

export_options vm17() {
    export_options o;
    o.what = "rbd/vm-17";
    o.hosts = {"nqn.2024-01.io.example:h"};
    o.address = "192.0.2.10";
    return o;
}

TEST(export_image, makes_all_of_it_from_nothing_and_says_how_to_connect) {
    gateway g;
    const auto e = export_image(vm17(), g.call());
    ASSERT_TRUE(e) << e.error().text();
    EXPECT_THAT(e->done,
                ElementsAre("made Ceph client ceph", "made device rbd/vm-17", "made transport TCP",
                            "made transport RDMA",
                            "made subsystem nqn.2014-08.org.nvmexpress:uuid:12345678-1234-5678-9abc-123456789abc",
                            "made namespace 1 of rbd/vm-17", "allowed host nqn.2024-01.io.example:h",
                            "made listener TCP 192.0.2.10:4420", "made listener RDMA 192.0.2.10:4420"));
    EXPECT_THAT(connect_commands(*e), ElementsAre("nvme connect -t tcp -a 192.0.2.10 -s 4420 -n " + e->nqn,
                                                  "nvme connect -t rdma -a 192.0.2.10 -s 4420 -n " + e->nqn));
}

TEST(export_image, changes_nothing_the_second_time) {
    gateway g;
    const auto first = export_image(vm17(), g.call());
    g.changes.clear();
    const auto second = export_image(vm17(), g.call());
    ASSERT_TRUE(second);
    EXPECT_THAT(second->done, IsEmpty());
    EXPECT_THAT(g.changes, IsEmpty());
    EXPECT_EQ(connect_commands(*second), connect_commands(*first));
}

TEST(export_image, goes_on_where_an_attempt_has_failed) {
    gateway g;
    g.failures["nvmf_subsystem_add_ns"] = "the device is gone";
    const auto failed = export_image(vm17(), g.call());
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().text(), "namespace of rbd/vm-17: the device is gone");
    g.failures.clear();
    const auto e = export_image(vm17(), g.call());
    ASSERT_TRUE(e);
    EXPECT_EQ(e->done.front(), "made namespace 1 of rbd/vm-17");
}

TEST(export_image, without_an_rdma_device_it_is_tcp_and_a_note_unless_rdma_was_asked_for) {
    gateway g;
    g.has_rdma = false;
    const auto e = export_image(vm17(), g.call());
    ASSERT_TRUE(e);
    EXPECT_EQ(e->listeners.size(), 1u);
    EXPECT_THAT(e->notes, ElementsAre("no RDMA: there is no RDMA device"));
    auto o = vm17();
    o.transports = {"RDMA"};
    const auto refused = export_image(o, g.call());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().text(), "transport RDMA: there is no RDMA device");
}

TEST(export_image, a_device_that_is_there_is_exported_by_its_name) {
    gateway g;
    g.devices.push_back({{"name", "Memory"}, {"uuid", "00000000-0000-0000-0000-000000000001"}});
    auto o = vm17();
    o.what = "Memory";
    o.nqn = "nqn.2024-01.io.example:a";
    const auto e = export_image(o, g.call());
    ASSERT_TRUE(e);
    EXPECT_EQ(e->device, "Memory");
    EXPECT_EQ(e->nqn, "nqn.2024-01.io.example:a");
    o.what = "Memoryy";
    EXPECT_THAT(export_image(o, g.call()).error().text(), HasSubstr("Memoryy: there is no device of this name"));
}

TEST(export_image, a_subsystem_that_keeps_others_out_is_not_opened_for_all) {
    gateway g;
    ASSERT_TRUE(export_image(vm17(), g.call()));
    auto o = vm17();
    o.hosts.clear();
    EXPECT_THAT(export_image(o, g.call()).error().text(), HasSubstr("name the hosts with --to"));
}

}  // namespace
}  // namespace causeway::tools
