// SPDX-License-Identifier: Apache-2.0
#include "rpc/testing/rpc_fixture.h"

namespace causeway::rpc {
namespace {

using test::method_fixture;
using test::parsed;

constexpr const char* nqn = R"({"nqn": "nqn.2024-01.io.example:ana"})";

/// A subsystem of four groups with a listener `here`, whose groups are accessible, and one `there`, whose are not.
class nvmf_ana_methods : public ::testing::Test {
  protected:
    nvmf_ana_methods() {
        w.start();
        w.add_memory("Malloc0");
        w.add_memory("Malloc1");
        w.result("nvmf_create_transport", R"({"trtype": "LOOP"})");
        w.result("nvmf_create_subsystem", R"({"nqn": "nqn.2024-01.io.example:ana", "allow_any_host": true,
                                              "ana_reporting": true, "max_namespaces": 4})");
        w.result("nvmf_subsystem_add_listener",
                 R"({"nqn": "nqn.2024-01.io.example:ana", "listen_address": {"trtype": "LOOP", "traddr": "here"}})");
        w.result("nvmf_subsystem_add_listener",
                 R"({"nqn": "nqn.2024-01.io.example:ana", "ana_state": "inaccessible",
                     "listen_address": {"trtype": "LOOP", "traddr": "there"}})");
        w.result("nvmf_subsystem_add_ns", R"({"nqn": "nqn.2024-01.io.example:ana",
                                              "namespace": {"bdev_name": "Malloc0"}})");
        w.result("nvmf_subsystem_add_ns", R"({"nqn": "nqn.2024-01.io.example:ana",
                                              "namespace": {"bdev_name": "Malloc1", "anagrpid": 4}})");
    }
    json states(std::size_t listener) { return w.result("nvmf_subsystem_get_listeners", nqn)[listener]["ana_states"]; }
    json groups() {
        json found = json::array();
        const json subsystems = w.result("nvmf_get_subsystems", nqn);
        for (const json& ns : subsystems[0]["namespaces"])
            found.push_back(ns["anagrpid"]);
        return found;
    }
    std::string refused(const char* method, const char* params) {
        const answer a = w.call(method, params);
        EXPECT_FALSE(a);
        EXPECT_EQ(a.error().code, -32602);
        return a.error().message;
    }

    method_fixture w;
};

TEST_F(nvmf_ana_methods, a_listener_has_a_state_for_each_group) {
    EXPECT_EQ(w.result("nvmf_subsystem_get_listeners", nqn)[0], parsed(R"(
        {"address": {"trtype": "LOOP", "adrfam": "", "traddr": "here", "trsvcid": ""},
         "ana_states": [{"ana_group": 1, "ana_state": "optimized"}, {"ana_group": 2, "ana_state": "optimized"},
                        {"ana_group": 3, "ana_state": "optimized"}, {"ana_group": 4, "ana_state": "optimized"}]})"));
    EXPECT_EQ(w.result("nvmf_subsystem_listener_set_ana_state",
                       R"({"nqn": "nqn.2024-01.io.example:ana", "ana_state": "non_optimized", "anagrpid": 2,
                           "listen_address": {"trtype": "LOOP", "traddr": "there"}, "tgt_name": "nvmf_tgt"})"),
              json(true));
    EXPECT_EQ(states(1), parsed(R"([{"ana_group": 1, "ana_state": "inaccessible"},
                                    {"ana_group": 2, "ana_state": "non_optimized"},
                                    {"ana_group": 3, "ana_state": "inaccessible"},
                                    {"ana_group": 4, "ana_state": "inaccessible"}])"));
    EXPECT_EQ(w.result("nvmf_subsystem_listener_set_ana_state",
                       R"({"nqn": "nqn.2024-01.io.example:ana", "ana_state": "change",
                           "listen_address": {"trtype": "loop", "traddr": "here"}})"),
              json(true));
    for (const json& group : states(0))
        EXPECT_EQ(group["ana_state"], "change");
}

TEST_F(nvmf_ana_methods, a_namespace_has_the_group_that_it_is_given) {
    EXPECT_EQ(groups(), parsed("[1, 4]")) << "its nsid's where none is named";
    EXPECT_EQ(w.result("nvmf_subsystem_set_ns_ana_group",
                       R"({"nqn": "nqn.2024-01.io.example:ana", "nsid": 1, "anagrpid": 3})"),
              json(true));
    EXPECT_EQ(groups(), parsed("[3, 4]"));
}

TEST_F(nvmf_ana_methods, what_cannot_be_is_refused) {
    EXPECT_EQ(refused("nvmf_subsystem_set_ns_ana_group",
                      R"({"nqn": "nqn.2024-01.io.example:ana", "nsid": 1, "anagrpid": 5})"),
              "nqn.2024-01.io.example:ana: an ANA group is 1 to 4 here");
    EXPECT_EQ(refused("nvmf_subsystem_set_ns_ana_group",
                      R"({"nqn": "nqn.2024-01.io.example:ana", "nsid": 3, "anagrpid": 1})"),
              "nqn.2024-01.io.example:ana: no namespace 3");
    EXPECT_EQ(refused("nvmf_subsystem_listener_set_ana_state",
                      R"({"nqn": "nqn.2024-01.io.example:ana", "ana_state": "optimized", "anagrpid": 5,
                          "listen_address": {"trtype": "LOOP", "traddr": "here"}})"),
              "nqn.2024-01.io.example:ana: an ANA group is 1 to 4 here");
    EXPECT_EQ(refused("nvmf_subsystem_listener_set_ana_state",
                      R"({"nqn": "nqn.2024-01.io.example:ana", "ana_state": "optimized",
                          "listen_address": {"trtype": "LOOP", "traddr": "nowhere"}})"),
              "LOOP nowhere: the subsystem has no such listener");
    w.result("nvmf_subsystem_listener_set_ana_state",
             R"({"nqn": "nqn.2024-01.io.example:ana", "ana_state": "persistent_loss", "anagrpid": 2,
                 "listen_address": {"trtype": "LOOP", "traddr": "here"}})");
    EXPECT_EQ(refused("nvmf_subsystem_listener_set_ana_state",
                      R"({"nqn": "nqn.2024-01.io.example:ana", "ana_state": "optimized",
                          "listen_address": {"trtype": "LOOP", "traddr": "here"}})"),
              "LOOP here: group 2 is in persistent loss, which is final: remove the listener and add it again");
}

TEST_F(nvmf_ana_methods, a_saved_configuration_makes_the_same_again_and_shows_no_path_that_is_not) {
    w.result("nvmf_subsystem_set_ns_ana_group", R"({"nqn": "nqn.2024-01.io.example:ana", "nsid": 1, "anagrpid": 3})");
    w.result("nvmf_subsystem_listener_set_ana_state",
             R"({"nqn": "nqn.2024-01.io.example:ana", "ana_state": "persistent_loss", "anagrpid": 2,
                 "listen_address": {"trtype": "LOOP", "traddr": "here"}})");
    const json saved = w.result("framework_get_config", R"({"name": "nvmf"})");
    json listener_calls = json::array();
    for (const json& call : saved)
        if (call["params"].contains("ana_state"))
            listener_calls.push_back({call["params"]["ana_state"], call["params"].value("anagrpid", 0)});
    EXPECT_EQ(listener_calls, parsed(R"([["inaccessible", 0], ["optimized", 1], ["persistent_loss", 2],
                                         ["optimized", 3], ["optimized", 4], ["inaccessible", 0]])"))
        << "a host that comes while it is made again finds no path too many";

    method_fixture again(2);
    again.start();
    again.add_memory("Malloc0");
    again.add_memory("Malloc1");
    for (const json& call : saved) {
        const std::string name = call["method"];
        if (allows(again.methods.find(name)->when, state::runtime)) {
            EXPECT_TRUE(again.call(name, call["params"])) << call;
        }
    }
    for (const char* asked : {"nvmf_subsystem_get_listeners", "nvmf_get_subsystems"})
        EXPECT_EQ(again.result(asked, nqn), w.result(asked, nqn));
    EXPECT_EQ(again.result("framework_get_config", R"({"name": "nvmf"})"), saved);
}

}  // namespace
}  // namespace causeway::rpc
