// SPDX-License-Identifier: Apache-2.0
#include "rpc/config_names.h"

#include "rpc/json_text.h"

#include <gmock/gmock.h>

namespace causeway::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

config_names names(std::string_view method, const char* params) {
    return names_in(method, parse_json(params).value().value);
}

TEST(config_names, of_an_image_are_its_own_its_alias_and_its_cluster) {
    const auto n =
        names("bdev_rbd_create", R"({"name": "Ceph0", "pool_name": "rbd", "namespace": "ns", "rbd_name": "vm",
                                                "block_size": 512, "cluster_name": "ceph"})");
    EXPECT_THAT(n.makes, ElementsAre("bdev Ceph0", "bdev rbd/ns/vm"));
    EXPECT_THAT(n.needs, ElementsAre("cluster ceph"));
    EXPECT_EQ(n.lane, "cluster ceph");
    EXPECT_THAT(
        names("bdev_rbd_create", R"({"pool_name": "rbd", "namespace_name": "ns", "rbd_name": "vm", "block_size": 512})")
            .makes,
        ElementsAre("bdev rbd/ns/vm"))
        << "another spelling";
    EXPECT_EQ(names("bdev_rbd_register_cluster", R"({"name": "ceph"})").lane, n.lane);
}

TEST(config_names, of_images_with_clients_of_their_own_share_a_lane_by_settings) {
    const auto lane = [](const char* params) { return names("bdev_rbd_create", params).lane; };
    EXPECT_EQ(lane(R"({"rbd_name": "a", "user_id": "u"})"), lane(R"({"rbd_name": "b", "user_id": "u"})"));
    EXPECT_NE(lane(R"({"rbd_name": "a", "user_id": "u"})"), lane(R"({"rbd_name": "a", "user_id": "v"})"));
    EXPECT_NE(lane(R"({"config": {"mon_host": "m"}})"), lane(R"({"config": {"mon_host": "n"}})"));
}

TEST(config_names, of_a_namespace_are_its_subsystem_and_its_device) {
    const auto n = names("nvmf_subsystem_add_ns", R"({"nqn": "s", "namespace": {"bdev_name": "Nvme0n1", "nsid": 3}})");
    EXPECT_THAT(n.needs, ElementsAre("subsystem s", "bdev Nvme0n1", "controller Nvme0"));
    EXPECT_THAT(n.makes, ElementsAre("namespace s 3", "export s Nvme0n1"));
    EXPECT_THAT(names("nvmf_subsystem_remove_ns", R"({"nqn": "s", "nsid": 3})").removes, ElementsAre("namespace s 3"));
    for (const char* no_namespace : {"n1", "Malloc0", "Nvme0n", "1", ""})
        EXPECT_THAT(names("bdev_error_create", json{{"base_name", no_namespace}}.dump().c_str()).needs,
                    ::testing::Not(::testing::Contains(::testing::StartsWith("controller"))))
            << no_namespace;
}

TEST(config_names, of_a_host_that_sees_a_namespace_are_both) {
    const char* const params = R"({"nqn": "s", "nsid": 3, "host": "h"})";
    EXPECT_THAT(names("nvmf_ns_add_host", params).needs, ElementsAre("subsystem s", "namespace s 3"));
    EXPECT_EQ(names("nvmf_ns_add_host", params).makes, names("nvmf_ns_remove_host", params).removes);
    EXPECT_TRUE(contains_its_users("namespace s 3"));
}

TEST(config_names, of_a_listener_let_it_come_after_all_of_its_subsystem) {
    const auto n =
        names("nvmf_subsystem_add_listener",
              R"({"nqn": "s", "listen_address": {"trtype": "tcp", "traddr": "10.0.0.1", "trsvcid": "4420"}})");
    EXPECT_THAT(n.needs, ElementsAre("subsystem s", "transport TCP"));
    EXPECT_THAT(n.follows, ElementsAre("subsystem s"));
    EXPECT_EQ(n.makes, names("nvmf_subsystem_remove_listener",
                             R"({"nqn": "s", "listen_address": {"trtype": "TCP", "traddr": "10.0.0.1",
                                                                "trsvcid": "4420"}})")
                           .removes);
    EXPECT_THAT(names("nvmf_subsystem_add_listener",
                      R"({"nqn": "nqn.2014-08.org.nvmexpress.discovery", "listen_address": {"trtype": "tcp"}})")
                    .needs,
                ElementsAre("transport TCP"))
        << "that subsystem is always there";
}

TEST(config_names, of_ana_are_the_listener_and_the_namespace) {
    EXPECT_THAT(names("nvmf_subsystem_listener_set_ana_state",
                      R"({"nqn": "s", "ana_state": "optimized",
                          "listen_address": {"trtype": "tcp", "traddr": "10.0.0.1", "trsvcid": "4420"}})")
                    .needs,
                ElementsAre("subsystem s", "listener s TCP 10.0.0.1 4420"));
    EXPECT_THAT(names("nvmf_subsystem_set_ns_ana_group", R"({"nqn": "s", "nsid": 2, "anagrpid": 1})").needs,
                ElementsAre("subsystem s", "namespace s 2"));
}

TEST(config_names, of_a_host_are_its_subsystem_and_its_key) {
    const auto n = names("nvmf_subsystem_add_host", R"({"nqn": "s", "host": "h", "psk": "k"})");
    EXPECT_THAT(n.needs, ElementsAre("subsystem s", "key k"));
    EXPECT_THAT(n.makes, ElementsAre("host s h"));
    EXPECT_THAT(names("keyring_file_add_key", R"({"name": "k", "path": "/k"})").makes, ElementsAre("key k"));
}

TEST(config_names, are_none_where_the_parameters_are_of_other_types) {
    for (const char* params : {"null", "[]", R"({"nqn": 1, "namespace": "x", "listen_address": []})"}) {
        EXPECT_THAT(names("nvmf_subsystem_add_ns", params).needs, IsEmpty()) << params;
        EXPECT_THAT(names("nvmf_create_subsystem", params).makes, IsEmpty()) << params;
    }
}

}  // namespace
}  // namespace causeway::rpc
