// SPDX-License-Identifier: Apache-2.0
#include "rpc/testing/rpc_fixture.h"

#include <gmock/gmock.h>

namespace causeway::rpc {
namespace {

using test::method_fixture;
using test::parsed;
using ::testing::HasSubstr;

constexpr const char* nqn_a = R"({"nqn": "nqn.2024-01.io.example:a"})";

class nvmf_methods : public ::testing::Test {
  protected:
    method_fixture w;
};

// ---- The way of an operator: each thing made, seen and taken away again.

TEST_F(nvmf_methods, a_transport_is_made_and_listed_with_its_options) {
    w.start();
    EXPECT_EQ(w.result("nvmf_get_transports"), json::array());
    EXPECT_EQ(w.result("nvmf_create_transport",
                       R"({"trtype": "loop", "max_queue_depth": 64, "max_io_size": 65536, "io_unit_size": 8192,
                           "num_shared_buffers": 511, "iobuf_small_cache_size": 4294967295, "c2h_success": true,
                           "kas": 50, "min_kato": 5000, "zcopy": false, "masked_oncs": []})"),
              json(true));
    const json all = w.result("nvmf_get_transports");
    ASSERT_EQ(all.size(), 1u);
    const json& t = all[0];
    EXPECT_EQ(t["trtype"], "LOOP");
    EXPECT_EQ(t["max_queue_depth"], 64);
    EXPECT_EQ(t["max_io_size"], 65536);
    EXPECT_EQ(t["in_capsule_data_size"], 4096);
    EXPECT_EQ(t["kas"], 50);
    EXPECT_EQ(t["min_kato"], 5000);
    EXPECT_EQ(t["zcopy"], false);
    EXPECT_EQ(w.result("nvmf_get_transports", R"({"trtype": "loop"})"), all);
}

TEST_F(nvmf_methods, a_subsystem_is_made_listed_and_deleted) {
    w.start();
    EXPECT_EQ(w.result("nvmf_create_subsystem",
                       R"({"nqn": "nqn.2024-01.io.example:a", "serial_number": "S1", "model_number": "M 1",
                           "max_namespaces": 8, "min_cntlid": 100, "max_cntlid": 199, "max_discard_size_kib": 512,
                           "max_write_zeroes_size_kib": 64, "ana_reporting": false})"),
              json(true));
    const json all = w.result("nvmf_get_subsystems");
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0], parsed(R"({"nqn": "nqn.2014-08.org.nvmexpress.discovery", "subtype": "Discovery",
                                 "listen_addresses": [], "allow_any_host": true, "hosts": []})"));
    EXPECT_EQ(all[1], parsed(R"({"nqn": "nqn.2024-01.io.example:a", "subtype": "NVMe", "listen_addresses": [],
                                 "allow_any_host": false, "hosts": [], "serial_number": "S1",
                                 "model_number": "M 1", "max_namespaces": 8, "passthrough": false,
                                 "min_cntlid": 100, "max_cntlid": 199, "dmrsl": 1024, "wzsl": 4,
                                 "namespaces": []})"));
    EXPECT_EQ(w.result("nvmf_get_subsystems", nqn_a), json::array({all[1]}));
    EXPECT_EQ(w.result("nvmf_delete_subsystem", nqn_a), json(true));
    EXPECT_EQ(w.result("nvmf_get_subsystems").size(), 1u);
}

TEST_F(nvmf_methods, a_namespace_is_added_and_removed) {
    w.furnish();
    w.add_memory("Malloc1");
    EXPECT_EQ(w.result("nvmf_subsystem_add_ns",
                       R"({"nqn": "nqn.2024-01.io.example:a",
                           "namespace": {"bdev_name": "Malloc1", "nsid": 7,
                                         "nguid": "0123456789abcdefFEDCBA9876543210", "eui64": "0011223344556677",
                                         "uuid": "12345678-1234-5678-9abc-123456789abc"}})"),
              json(7))
        << "the nsid, not true";
    const json ns = w.result("nvmf_get_subsystems", nqn_a)[0]["namespaces"];
    ASSERT_EQ(ns.size(), 2u);
    EXPECT_EQ(ns[1], parsed(R"({"nsid": 7, "bdev_name": "Malloc1", "name": "Malloc1",
                                "nguid": "0123456789ABCDEFFEDCBA9876543210", "eui64": "0011223344556677",
                                "uuid": "12345678-1234-5678-9abc-123456789abc"})"));
    EXPECT_EQ(w.result("nvmf_subsystem_remove_ns", R"({"nqn": "nqn.2024-01.io.example:a", "nsid": 7})"), json(true));
    EXPECT_EQ(w.result("nvmf_get_subsystems", nqn_a)[0]["namespaces"].size(), 1u);
}

TEST_F(nvmf_methods, hosts_are_allowed_and_sent_away) {
    w.furnish();
    const char* host = R"({"nqn": "nqn.2024-01.io.example:a", "host": "nqn.2024-01.io.example:h"})";
    EXPECT_EQ(w.result("nvmf_subsystem_add_host", host), json(true));
    EXPECT_EQ(w.result("nvmf_get_subsystems", nqn_a)[0]["hosts"], parsed(R"([{"nqn": "nqn.2024-01.io.example:h"}])"));
    EXPECT_EQ(
        w.result("nvmf_subsystem_allow_any_host", R"({"nqn": "nqn.2024-01.io.example:a", "allow_any_host": false})"),
        json(true));
    EXPECT_EQ(w.result("nvmf_get_subsystems", nqn_a)[0]["allow_any_host"], false);
    EXPECT_EQ(w.result("nvmf_subsystem_remove_host", host), json(true));
    EXPECT_EQ(w.result("nvmf_get_subsystems", nqn_a)[0]["hosts"], json::array());
}

TEST_F(nvmf_methods, listeners_come_and_go) {
    w.furnish();
    const char* there =
        R"({"nqn": "nqn.2024-01.io.example:a", "secure_channel": false, "ana_state": "optimized",
                            "listen_address": {"trtype": "loop", "traddr": "there", "trsvcid": "1"}})";
    EXPECT_EQ(w.result("nvmf_subsystem_add_listener", there), json(true));
    EXPECT_EQ(w.result("nvmf_subsystem_get_listeners", nqn_a),
              parsed(R"([{"address": {"trtype": "LOOP", "adrfam": "", "traddr": "here", "trsvcid": ""}},
                         {"address": {"trtype": "LOOP", "adrfam": "", "traddr": "there", "trsvcid": "1"}}])"));
    EXPECT_EQ(w.result("nvmf_subsystem_remove_listener",
                       R"({"nqn": "nqn.2024-01.io.example:a",
                           "listen_address": {"trtype": "LOOP", "traddr": "there", "trsvcid": "1"}})"),
              json(true));
    EXPECT_EQ(w.result("nvmf_subsystem_get_listeners", nqn_a).size(), 1u);
}

TEST_F(nvmf_methods, the_hosts_that_are_connected_are_listed) {
    w.furnish();
    EXPECT_EQ(w.result("nvmf_subsystem_get_controllers", nqn_a), json::array());
    loop::host_controller host(*w.fabric);
    loop::host_options o;
    o.at = {"LOOP", "", "here", ""};
    o.subnqn = "nqn.2024-01.io.example:a";
    o.hostnqn = "nqn.2024-01.io.example:h";
    o.hostid.fill(0x11);
    o.io_queues = 2;
    const auto connected = w.run(host.connect(o));
    ASSERT_TRUE(connected) << connected.error().text();

    EXPECT_EQ(w.result("nvmf_subsystem_get_controllers", nqn_a),
              parsed(R"([{"cntlid": 1, "cntrltype": "io", "hostnqn": "nqn.2024-01.io.example:h",
                          "hostid": "11111111-1111-1111-1111-111111111111", "num_io_qpairs": 3}])"));
    const json qpairs = w.result("nvmf_subsystem_get_qpairs", nqn_a);
    ASSERT_EQ(qpairs.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(qpairs[i]["cntlid"], 1);
        EXPECT_EQ(qpairs[i]["qid"], i);
        EXPECT_EQ(qpairs[i]["state"], "enabled");
        EXPECT_THAT(qpairs[i]["thread"].get<std::string>(), HasSubstr("nvmf_tgt_poll_group_00"));
        EXPECT_EQ(qpairs[i]["hostnqn"], "nqn.2024-01.io.example:h");
        EXPECT_EQ(qpairs[i]["listen_address"]["traddr"], "here");
        EXPECT_TRUE(qpairs[i].contains("peer_address"));
    }
    const json stats = w.result("nvmf_get_stats");
    EXPECT_EQ(stats["tick_rate"], 1'000'000'000);
    ASSERT_EQ(stats["poll_groups"].size(), 2u);
    EXPECT_EQ(stats["poll_groups"][0]["name"], "nvmf_tgt_poll_group_000");
    std::uint64_t admin = 0, io = 0;
    for (const json& g : stats["poll_groups"]) {
        admin += g["current_admin_qpairs"].get<std::uint64_t>();
        io += g["current_io_qpairs"].get<std::uint64_t>();
        ASSERT_EQ(g["transports"].size(), 1u);
        EXPECT_EQ(g["transports"][0]["trtype"], "LOOP");
    }
    EXPECT_EQ(admin, 1u);
    EXPECT_EQ(io, 2u);

    // Deleting the subsystem ends them.
    EXPECT_EQ(w.result("nvmf_delete_subsystem", nqn_a), json(true));
    EXPECT_TRUE(w.sim.run_until([&] { return !host.alive(); }));
    w.run([](loop::host_controller& h) -> core::task<bool> {
        co_await h.disconnect();
        co_return true;
    }(host));
}

/// To the byte: clients read it by position and by name.
TEST_F(nvmf_methods, statistics_keep_their_members_and_their_order) {
    w.furnish();
    const auto group = [](const char* name) {
        return std::string(R"({"name":")") + name +
               R"(","admin_qpairs":0,"io_qpairs":0,"current_admin_qpairs":0,"current_io_qpairs":0,)"
               R"("current_unassociated_qpairs":0,"stale_commands":0,"throttled_commands":0,"pending_bdev_io":0,)"
               R"("completed_nvme_io":0,)"
               R"("transports":[{"trtype":"LOOP","pending_data_buffer":0,"devices":[{"name":"loop","commands":0,)"
               R"("answers":0,"refused":0,"dropped":0,"pending_data_buffer":0}]}]})";
    };
    EXPECT_EQ(w.result("nvmf_get_stats").dump(),
              R"({"tick_rate":1000000000,"poll_groups":[)" + group("nvmf_tgt_poll_group_000") + "," +
                  group("nvmf_tgt_poll_group_001") + R"(],"discovery":{"controllers":0,"refused":0}})");
}

TEST_F(nvmf_methods, each_core_counts_its_own_queues_and_commands) {
    w.furnish();
    loop::host_controller host(*w.fabric);
    loop::host_options o;
    o.at = {"LOOP", "", "here", ""};
    o.subnqn = "nqn.2024-01.io.example:a";
    o.hostnqn = "nqn.2024-01.io.example:h";
    o.io_queues = 2;
    const auto connected = w.run(host.connect(o));
    ASSERT_TRUE(connected) << connected.error().text();
    const json groups = w.result("nvmf_get_stats")["poll_groups"];
    for (std::size_t core = 0; core < groups.size(); ++core) {
        EXPECT_EQ(groups[core]["io_qpairs"], 1u) << core;
        EXPECT_GT(groups[core]["transports"][0]["devices"][0]["commands"], 0u) << core;
    }
    EXPECT_EQ(groups[0]["admin_qpairs"].get<unsigned>() + groups[1]["admin_qpairs"].get<unsigned>(), 1u);
    w.run([](loop::host_controller& h) -> core::task<bool> {
        co_await h.disconnect();
        co_return true;
    }(host));
}

TEST_F(nvmf_methods, settings_are_made_before_the_start) {
    EXPECT_EQ(w.result("nvmf_set_max_subsystems", R"({"max_subsystems": 2})"), json(true));
    EXPECT_EQ(w.result("nvmf_set_crdt", R"({"crdt1": 5, "crdt3": 7})"), json(true));
    EXPECT_EQ(w.result("nvmf_set_discovery_limits", R"({"max_controllers": 100, "max_per_host": 3})"), json(true));
    EXPECT_EQ(w.result("nvmf_set_config", R"({"dup_host_policy": "allow", "discovery_filters": []})"), json(true));
    w.start();
    EXPECT_EQ(w.nvmf.target->options().max_subsystems, 2u);
    w.result("nvmf_create_subsystem", R"({"nqn": "nqn.2024-01.io.example:1"})");
    w.result("nvmf_create_subsystem", R"({"nqn": "nqn.2024-01.io.example:2"})");
    const answer one_too_many = w.call("nvmf_create_subsystem", R"({"nqn": "nqn.2024-01.io.example:3"})");
    EXPECT_EQ(one_too_many.error().code, error_code::internal);
    EXPECT_EQ(one_too_many.error().message,
              "Unable to create subsystem nqn.2024-01.io.example:3: there are 2 subsystems, the maximum; "
              "nvmf_set_max_subsystems sets the maximum before the start");
    EXPECT_EQ(w.nvmf.target->options().crdt[2], 7);
    EXPECT_EQ(w.nvmf.target->options().discovery, (nvmf::discovery_limits{100, 256, 3}));
    EXPECT_EQ(w.result("nvmf_get_targets"), json::array({"nvmf_tgt"}));
    EXPECT_EQ(w.call("nvmf_set_crdt").error().code, error_code::wrong_state);
}

// ---- What is refused, and how.

struct row {
    const char* sentence;
    const char* method;
    const char* params;
    int code;
    const char* message;
};
const row refusals[] = {
    {"an unknown transport type", "nvmf_create_transport", R"({"trtype": "CARRIER PIGEON"})", -32602,
     "no such transport type: CARRIER PIGEON: use one of LOOP, BROKEN"},
    {"a transport that is there", "nvmf_create_transport", R"({"trtype": "LOOP"})", -32603,
     "transport type LOOP already exists"},
    {"a transport that cannot be", "nvmf_create_transport", R"({"trtype": "BROKEN"})", -32603, "this machine has none"},
    {"an odd size", "nvmf_create_transport", R"({"trtype": "BROKEN", "max_io_size": 10000})", -32602,
     "parameter 'max_io_size' must be a power of two from 8192"},
    {"no depth", "nvmf_create_transport", R"({"trtype": "BROKEN", "max_queue_depth": 1})", -32602,
     "parameter 'max_queue_depth' must be a whole number from 2 to 65535"},
    {"no admin depth", "nvmf_create_transport", R"({"trtype": "BROKEN", "max_aq_depth": 16})", -32602,
     "parameter 'max_aq_depth' must be a whole number from 32 to 4096"},
    {"zero copy", "nvmf_create_transport", R"({"trtype": "BROKEN", "zcopy": true})", -32602,
     "parameter 'zcopy' must be false: devices do not lend their memory"},
    {"hidden commands", "nvmf_create_transport", R"({"trtype": "BROKEN", "masked_oncs": ["reservs"]})", -32602,
     "parameter 'masked_oncs' must be []: commands cannot be hidden"},
    {"a transport that is not there", "nvmf_get_transports", R"({"trtype": "TCP"})", -19,
     "TCP: there is no such transport"},
    {"another target", "nvmf_get_transports", R"({"tgt_name": "other"})", -32603, "no such target: other"},
    {"an NQN that is none", "nvmf_create_subsystem", R"({"nqn": "subsystem"})", -32602, ""},
    {"an NQN that is taken", "nvmf_create_subsystem", R"({"nqn": "nqn.2024-01.io.example:a"})", -32603, ""},
    {"a serial number too long", "nvmf_create_subsystem",
     R"({"nqn": "nqn.2024-01.io.example:b", "serial_number": "123456789012345678901"})", -32602,
     "parameter 'serial_number' must be at most 20 characters of printable ASCII"},
    {"a model number not in ASCII", "nvmf_create_subsystem",
     R"({"nqn": "nqn.2024-01.io.example:b", "model_number": "ü"})", -32602,
     "parameter 'model_number' must be at most 40 characters of printable ASCII"},
    {"controller ids the wrong way round", "nvmf_create_subsystem",
     R"({"nqn": "nqn.2024-01.io.example:b", "min_cntlid": 5, "max_cntlid": 4})", -32602,
     "parameter 'min_cntlid' must not be above 'max_cntlid'"},
    {"controller ids that are reserved", "nvmf_create_subsystem",
     R"({"nqn": "nqn.2024-01.io.example:b", "max_cntlid": 65520})", -32602,
     "parameter 'max_cntlid' must be a whole number from 1 to 65519"},
    {"zeroes in an odd number", "nvmf_create_subsystem",
     R"({"nqn": "nqn.2024-01.io.example:b", "max_write_zeroes_size_kib": 12})", -32602,
     "parameter 'max_write_zeroes_size_kib' must be 0 or a power of two from 8"},
    {"more ANA groups than the log page can count", "nvmf_create_subsystem",
     R"({"nqn": "nqn.2024-01.io.example:b", "ana_reporting": true, "max_namespaces": 65536})", -32602,
     "nqn.2024-01.io.example:b: max_namespaces is at most 65535 with ana_reporting"},
    {"an ANA group where ANA is not reported", "nvmf_subsystem_add_ns",
     R"({"nqn": "nqn.2024-01.io.example:a", "namespace": {"bdev_name": "Malloc1", "anagrpid": 1}})", -32602,
     "nqn.2024-01.io.example:a: the subsystem was made without ana_reporting: its namespaces have no ANA group"},
    {"an ANA state where ANA is not reported", "nvmf_subsystem_listener_set_ana_state",
     R"({"nqn": "nqn.2024-01.io.example:a", "ana_state": "inaccessible",
         "listen_address": {"trtype": "LOOP", "traddr": "here"}})",
     -32602, "nqn.2024-01.io.example:a: the subsystem was made without ana_reporting"},
    {"an ANA state that does not exist", "nvmf_subsystem_listener_set_ana_state",
     R"({"nqn": "nqn.2024-01.io.example:a", "ana_state": "best",
         "listen_address": {"trtype": "LOOP", "traddr": "here"}})",
     -32602, "parameter 'ana_state' must be one of: optimized, non_optimized, inaccessible, persistent_loss, change"},
    {"a namespace that moves where ANA is not reported", "nvmf_subsystem_set_ns_ana_group",
     R"({"nqn": "nqn.2024-01.io.example:a", "nsid": 1, "anagrpid": 2})", -32602,
     "nqn.2024-01.io.example:a: the subsystem was made without ana_reporting"},
    {"an unknown parameter", "nvmf_create_subsystem", R"({"nqn": "nqn.2024-01.io.example:b", "colour": "red"})", -32602,
     "parameter 'colour' is unknown"},
    {"no NQN", "nvmf_create_subsystem", "{}", -32602, "parameter 'nqn' is missing"},
    {"an unknown subsystem, asked for", "nvmf_get_subsystems", R"({"nqn": "nqn.x"})", -19,
     "nqn.x: there is no such subsystem"},
    {"an unknown subsystem, deleted", "nvmf_delete_subsystem", R"({"nqn": "nqn.x"})", -32602,
     "no such subsystem: nqn.x"},
    {"an unknown subsystem, listed", "nvmf_subsystem_get_qpairs", R"({"nqn": "nqn.x"})", -32602,
     "no such subsystem: nqn.x"},
    {"an unknown device", "nvmf_subsystem_add_ns",
     R"({"nqn": "nqn.2024-01.io.example:a", "namespace": {"bdev_name": "nothing"}})", -32602, ""},
    {"a device that is claimed", "nvmf_subsystem_add_ns",
     R"({"nqn": "nqn.2024-01.io.example:a", "namespace": {"bdev_name": "Malloc0", "nsid": 2}})", -32602, ""},
    {"an nsid that is taken", "nvmf_subsystem_add_ns",
     R"({"nqn": "nqn.2024-01.io.example:a", "namespace": {"bdev_name": "Malloc1", "nsid": 1}})", -32602, ""},
    {"an nsid beyond the last", "nvmf_subsystem_add_ns",
     R"({"nqn": "nqn.2024-01.io.example:a", "namespace": {"bdev_name": "Malloc1", "nsid": 33}})", -32602, ""},
    {"a short nguid", "nvmf_subsystem_add_ns",
     R"({"nqn": "nqn.2024-01.io.example:a", "namespace": {"bdev_name": "Malloc1", "nguid": "12"}})", -32602,
     "parameter 'namespace.nguid' must be 32 hexadecimal digits"},
    {"an nguid of zeroes", "nvmf_subsystem_add_ns",
     R"({"nqn": "nqn.2024-01.io.example:a",
         "namespace": {"bdev_name": "Malloc1", "nguid": "00000000000000000000000000000000"}})",
     -32602, "Malloc1: an identifier must not be all zeroes: give another one, or leave it out"},
    {"a uuid of zeroes", "nvmf_subsystem_add_ns",
     R"({"nqn": "nqn.2024-01.io.example:a",
         "namespace": {"bdev_name": "Malloc1", "uuid": "00000000-0000-0000-0000-000000000000"}})",
     -32602, "Malloc1: an identifier must not be all zeroes: give another one, or leave it out"},
    {"an nguid with dashes", "nvmf_subsystem_add_ns",
     R"({"nqn": "nqn.2024-01.io.example:a",
         "namespace": {"bdev_name": "Malloc1", "nguid": "12345678-1234-5678-9abc-123456789abc"}})",
     -32602, "parameter 'namespace.nguid' must be 32 hexadecimal digits"},
    {"an eui64 of other letters", "nvmf_subsystem_add_ns",
     R"({"nqn": "nqn.2024-01.io.example:a", "namespace": {"bdev_name": "Malloc1", "eui64": "00112233445566-7"}})",
     -32602, "parameter 'namespace.eui64' must be 16 hexadecimal digits"},
    {"a uuid that is none", "nvmf_subsystem_add_ns",
     R"({"nqn": "nqn.2024-01.io.example:a", "namespace": {"bdev_name": "Malloc1", "uuid": "12"}})", -32602,
     "parameter 'namespace.uuid' must be a UUID"},
    {"an unknown parameter of a namespace", "nvmf_subsystem_add_ns",
     R"({"nqn": "nqn.2024-01.io.example:a", "namespace": {"bdev_name": "Malloc1", "x": 1}})", -32602,
     "parameter 'namespace.x' is unknown"},
    {"a reservation file in a folder that is not there", "nvmf_subsystem_add_ns",
     R"({"nqn": "nqn.2024-01.io.example:a", "namespace": {"bdev_name": "Malloc1", "ptpl_file": "/not/there/x"}})",
     -32602, ""},
    {"a namespace that is not there", "nvmf_subsystem_remove_ns", R"({"nqn": "nqn.2024-01.io.example:a", "nsid": 9})",
     -32602, ""},
    {"a host without a name", "nvmf_subsystem_add_host", R"({"nqn": "nqn.2024-01.io.example:a", "host": ""})", -32602,
     ""},
    {"a host with a key that is not there", "nvmf_subsystem_add_host",
     R"({"nqn": "nqn.2024-01.io.example:a", "host": "nqn.2024-01.io.example:h", "dhchap_key": "k"})", -32602,
     "no such key: k"},
    {"keys of a host that is not there", "nvmf_subsystem_set_keys",
     R"({"nqn": "nqn.2024-01.io.example:a", "host": "nqn.2024-01.io.example:h"})", -32602,
     "nqn.2024-01.io.example:h: the host is not an allowed host"},
    {"a host that is not there", "nvmf_subsystem_remove_host",
     R"({"nqn": "nqn.2024-01.io.example:a", "host": "nqn.2024-01.io.example:h"})", -32602, ""},
    {"a listener that is there", "nvmf_subsystem_add_listener",
     R"({"nqn": "nqn.2024-01.io.example:a", "listen_address": {"trtype": "LOOP", "traddr": "here"}})", -32602, ""},
    {"a listener without a transport", "nvmf_subsystem_add_listener",
     R"({"nqn": "nqn.2024-01.io.example:a", "listen_address": {"trtype": "TCP", "traddr": "10.0.0.1"}})", -32602, ""},
    {"a listener without an address", "nvmf_subsystem_add_listener",
     R"({"nqn": "nqn.2024-01.io.example:a", "listen_address": {"trtype": "LOOP"}})", -32602,
     "parameter 'listen_address.traddr' is missing"},
    {"a secure listener", "nvmf_subsystem_add_listener",
     R"({"nqn": "nqn.2024-01.io.example:a", "secure_channel": true,
         "listen_address": {"trtype": "LOOP", "traddr": "there"}})",
     -32602, "LOOP: this transport has no secure channel"},
    {"a listener that is no best path", "nvmf_subsystem_add_listener",
     R"({"nqn": "nqn.2024-01.io.example:a", "ana_state": "inaccessible",
         "listen_address": {"trtype": "LOOP", "traddr": "there"}})",
     -32602, "LOOP there: the subsystem was made without ana_reporting: every path is optimized"},
    {"a listener that is not there", "nvmf_subsystem_remove_listener",
     R"({"nqn": "nqn.2024-01.io.example:a", "listen_address": {"trtype": "LOOP", "traddr": "there"}})", -32602, ""},
};

TEST_F(nvmf_methods, what_cannot_be_is_refused) {
    w.furnish();
    w.add_memory("Malloc1");
    const json before = w.result("nvmf_get_subsystems");
    for (const auto& r : refusals) {
        const answer a = w.call(r.method, r.params);
        ASSERT_FALSE(a) << r.sentence;
        EXPECT_EQ(a.error().code, r.code) << r.sentence << ": " << a.error().message;
        if (*r.message) {
            EXPECT_EQ(a.error().message, r.message) << r.sentence;
        }
        EXPECT_FALSE(a.error().message.empty()) << r.sentence;
    }
    EXPECT_EQ(w.result("nvmf_get_subsystems"), before) << "nothing has changed";
}

TEST(listen_address, is_spelled_as_the_specifications_do) {
    const auto normal = [](std::string trtype, std::string adrfam) {
        return listen_address{std::move(trtype), std::move(adrfam), "a", "s"}.normal();
    };
    EXPECT_EQ(normal("rdma", "ipv4"), (nvmf::transport_address{"RDMA", "IPv4", "a", "s"}));
    EXPECT_EQ(normal("Tcp", "ipv6"), (nvmf::transport_address{"TCP", "IPv6", "a", "s"}));
    EXPECT_EQ(normal("RDMA", "IPV4"), (nvmf::transport_address{"RDMA", "IPv4", "a", "s"}));
    EXPECT_EQ(normal("loop", ""), (nvmf::transport_address{"LOOP", "", "a", "s"}));
}

// ---- Long answers.

TEST_F(nvmf_methods, a_long_answer_leaves_the_reactor_to_others_and_is_what_it_was_when_it_began) {
    w.result("nvmf_set_max_subsystems", R"({"max_subsystems": 300})");
    w.furnish();
    const auto name = [](int i) { return "nqn.2024-01.io.example:n" + std::to_string(i); };
    for (int i = 0; i < 200; ++i)
        w.call("nvmf_create_subsystem", {{"nqn", name(i)}});
    const json at_once = w.result("nvmf_get_subsystems");
    const json whole = {{"jsonrpc", "2.0"}, {"id", 1}, {"result", at_once}};

    core::reactor& control = w.sim.group().control();
    struct counting : core::poller {
        unsigned poll(unsigned) noexcept override {
            dearest = std::max(dearest, of->background_spent());
            return 0;
        }
        core::reactor* of = nullptr;
        unsigned dearest = 0;
    } turns;
    turns.of = &control;
    const core::poller_registration registered(control, "counting", turns);
    const auto turns_before = control.stats().turns.get();
    std::optional<std::string> line;
    control.execute([&] {
        core::detach(w.dispatcher.serve(R"({"jsonrpc": "2.0", "id": 1, "method": "nvmf_get_subsystems"})"),
                     [&](dispatcher::reply r) { line = std::move(r.line); });
    });
    // Some of them go while they are being listed.
    EXPECT_TRUE(w.sim.run_until([&] { return control.stats().turns.get() > turns_before + 10; }));
    EXPECT_FALSE(line);
    for (const int i : {0, 100, 199})
        control.execute([&, i] { core::detach(w.nvmf.target->delete_subsystem(name(i)), [](auto) {}); });
    EXPECT_TRUE(w.sim.run_until([&] { return line.has_value(); }));
    EXPECT_EQ(*line, to_line(whole));
    EXPECT_GE(control.stats().turns.get() - turns_before, 50u);
    EXPECT_LE(turns.dearest, 2 * control.options().background_budget);
    EXPECT_EQ(w.result("nvmf_get_subsystems").size(), at_once.size() - 3);
}

TEST_F(nvmf_methods, what_is_written_in_slices_is_what_is_written_at_once) {
    json list = json::array();
    for (int i = 0; i < 100; ++i)
        list.push_back({{"n", i}, {"text", "\u00e4\n\xff"}, {"empty", json::object()}, {"none", json::array()}});
    const json rows[] = {nullptr,
                         7,
                         "text",
                         json::array(),
                         json::object(),
                         list,
                         {{"jsonrpc", "2.0"}, {"id", "x"}, {"result", list}},
                         {{"jsonrpc", "2.0"}, {"id", 1}, {"result", {{"rate", 1}, {"list", list}}}},
                         json::array({{{"id", 1}, {"result", list}}, {{"id", 2}, {"result", true}}})};
    for (const json& row : rows)
        EXPECT_EQ(w.run(to_line_in_slices(row)), to_line(row));
}

// ---- What is saved is what was there.

TEST_F(nvmf_methods, a_saved_configuration_makes_the_same_again) {
    w.result("nvmf_set_max_subsystems", R"({"max_subsystems": 20})");
    w.result("nvmf_set_crdt", R"({"crdt1": 1, "crdt2": 2, "crdt3": 3})");
    w.result("nvmf_set_discovery_limits", R"({"max_controllers": 10, "max_per_address": 9, "max_per_host": 8})");
    w.furnish();
    w.add_memory("Malloc1");
    w.result("nvmf_create_subsystem",
             R"({"nqn": "nqn.2024-01.io.example:b", "serial_number": "S", "admin_label": "l", "dmrsl": 7, "wzsl": 3})");
    w.result("nvmf_subsystem_add_host", R"({"nqn": "nqn.2024-01.io.example:b", "host": "nqn.2024-01.io.example:h"})");
    w.result("nvmf_subsystem_add_ns", R"({"nqn": "nqn.2024-01.io.example:b", "namespace":
             {"bdev_name": "Malloc1", "nsid": 5, "eui64": "0011223344556677",
              "ptpl_file": "/tmp/causeway-reservation-of-no-test"}})");
    EXPECT_EQ(
        w.result("nvmf_get_subsystems", R"({"nqn": "nqn.2024-01.io.example:b"})")[0]["namespaces"][0]["ptpl_file"],
        json("/tmp/causeway-reservation-of-no-test"));
    w.result("nvmf_subsystem_add_host",
             R"({"nqn": "nqn.2014-08.org.nvmexpress.discovery", "host": "nqn.2024-01.io.example:h"})");
    w.result("nvmf_subsystem_allow_any_host",
             R"({"nqn": "nqn.2014-08.org.nvmexpress.discovery", "allow_any_host": false})");
    w.result("nvmf_subsystem_add_listener", R"({"nqn": "nqn.2014-08.org.nvmexpress.discovery",
             "listen_address": {"trtype": "LOOP", "traddr": "there"}})");
    const json saved = w.result("framework_get_config", R"({"name": "nvmf"})");

    method_fixture again(2);
    again.add_memory("Malloc0");
    again.add_memory("Malloc1");
    const auto replay = [&](state now) {
        for (const json& call : saved) {
            const std::string name = call["method"];
            if (allows(again.methods.find(name)->when, now)) {
                EXPECT_TRUE(again.call(name, call["params"])) << call;
            }
        }
    };
    replay(state::startup);
    again.start();
    replay(state::runtime);
    EXPECT_EQ(again.result("framework_get_config", R"({"name": "nvmf"})"), saved);
    EXPECT_EQ(again.result("nvmf_get_subsystems"), w.result("nvmf_get_subsystems"));
    EXPECT_EQ(again.result("nvmf_get_transports"), w.result("nvmf_get_transports"));
}

TEST_F(nvmf_methods, listeners_are_saved_last) {
    w.furnish();
    const json saved = w.result("framework_get_config", R"({"name": "nvmf"})");
    ASSERT_FALSE(saved.empty());
    EXPECT_EQ(saved[0]["method"], "nvmf_create_transport");
    EXPECT_EQ(saved.back()["method"], "nvmf_subsystem_add_listener");
}

}  // namespace
}  // namespace causeway::rpc
