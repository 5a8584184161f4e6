// SPDX-License-Identifier: Apache-2.0
#include "rpc/testing/rpc_fixture.h"

#include <gmock/gmock.h>

namespace causeway::rpc {
namespace {

using test::method_fixture;
using test::parsed;
using ::testing::HasSubstr;

class visibility_methods : public ::testing::Test {
  protected:
    visibility_methods() {
        w.furnish();
        w.add_memory("Malloc1");
        w.result("nvmf_subsystem_add_ns", R"({"nqn": "nqn.2024-01.io.example:a",
                 "namespace": {"bdev_name": "Malloc1", "nsid": 5, "no_auto_visible": true}})");
    }
    /// The namespace with nsid 5, without its identifiers.
    json described() {
        json ns = w.result("nvmf_get_subsystems", R"({"nqn": "nqn.2024-01.io.example:a"})")[0]["namespaces"][1];
        for (const char* key : {"bdev_name", "name", "uuid", "nguid"})
            ns.erase(key);
        return ns;
    }
    static json host(const char* nqn) { return {{"nqn", "nqn.2024-01.io.example:a"}, {"nsid", 5u}, {"host", nqn}}; }
    static json visible(bool to_all) {
        return {{"nqn", "nqn.2024-01.io.example:a"}, {"nsid", 5u}, {"auto_visible", to_all}};
    }

    method_fixture w;
};

TEST_F(visibility_methods, say_which_hosts_see_a_namespace) {
    EXPECT_EQ(described(), parsed(R"({"nsid": 5, "no_auto_visible": true, "hosts": []})"));
    EXPECT_EQ(w.call("nvmf_ns_add_host", host("nqn.2024-01.io.example:h")), json(true));
    EXPECT_EQ(w.call("nvmf_ns_add_host", host("nqn.2024-01.io.example:g")), json(true));
    EXPECT_EQ(w.call("nvmf_ns_add_host", host("nqn.2024-01.io.example:g")), json(true)) << "as the peer answers";
    EXPECT_EQ(described(), parsed(R"({"nsid": 5, "no_auto_visible": true, "hosts": [
                                      {"nqn": "nqn.2024-01.io.example:g"}, {"nqn": "nqn.2024-01.io.example:h"}]})"));
    EXPECT_EQ(w.call("nvmf_ns_remove_host", host("nqn.2024-01.io.example:g")), json(true));
    EXPECT_EQ(described()["hosts"], parsed(R"([{"nqn": "nqn.2024-01.io.example:h"}])"));
    EXPECT_EQ(w.call("nvmf_subsystem_set_ns_visibility", visible(true)), json(true));
    EXPECT_EQ(described(), parsed(R"({"nsid": 5})")) << "the list is gone";
    EXPECT_EQ(w.call("nvmf_subsystem_set_ns_visibility", visible(false)), json(true));
    EXPECT_EQ(described(), parsed(R"({"nsid": 5, "no_auto_visible": true, "hosts": []})"));
}

TEST_F(visibility_methods, refuse_what_is_not_there) {
    const auto refused = [&](const char* method, json params, const char* text) {
        const answer a = w.call(method, std::move(params));
        ASSERT_FALSE(a) << method;
        EXPECT_EQ(a.error().code, -32602);
        EXPECT_THAT(a.error().message, HasSubstr(text));
    };
    for (const char* method : {"nvmf_ns_add_host", "nvmf_ns_remove_host"}) {
        refused(method, {{"nqn", "nqn.x"}, {"nsid", 5u}, {"host", "h"}}, "no such subsystem");
        refused(method, {{"nqn", "nqn.2024-01.io.example:a"}, {"nsid", 6u}, {"host", "h"}}, "no namespace 6");
        refused(method, {{"nqn", "nqn.2024-01.io.example:a"}, {"nsid", 1u}, {"host", "h"}}, "visible to all hosts");
        refused(method, {{"nqn", "nqn.2024-01.io.example:a"}, {"nsid", 5u}, {"host", ""}}, "host NQN");
    }
    refused("nvmf_subsystem_set_ns_visibility",
            {{"nqn", "nqn.2024-01.io.example:a"}, {"nsid", 6u}, {"auto_visible", true}}, "no namespace 6");
}

TEST_F(visibility_methods, are_saved_and_replayed) {
    w.call("nvmf_ns_add_host", host("nqn.2024-01.io.example:h"));
    const json saved = w.result("framework_get_config", R"({"name": "nvmf"})");
    method_fixture again(2);
    again.start();
    again.add_memory("Malloc0");
    again.add_memory("Malloc1");
    for (const json& call : saved)
        EXPECT_TRUE(again.call(call["method"], call["params"])) << call;
    EXPECT_EQ(again.result("framework_get_config", R"({"name": "nvmf"})"), saved);
    EXPECT_EQ(again.result("nvmf_get_subsystems"), w.result("nvmf_get_subsystems"));
}

}  // namespace
}  // namespace causeway::rpc
