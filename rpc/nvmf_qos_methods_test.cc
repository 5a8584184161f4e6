// SPDX-License-Identifier: Apache-2.0
#include "rpc/testing/rpc_fixture.h"

#include <gmock/gmock.h>

namespace causeway::rpc {
namespace {

using test::method_fixture;
using test::parsed;
using ::testing::HasSubstr;

class qos_methods : public ::testing::Test {
  protected:
    qos_methods() {
        w.furnish();
        w.add_memory("Malloc1");
        w.result("nvmf_subsystem_add_ns",
                 R"({"nqn": "nqn.2024-01.io.example:a", "namespace": {"bdev_name": "Malloc1", "nsid": 5}})");
    }
    json limits() {
        return w.result("nvmf_get_subsystems",
                        R"({"nqn": "nqn.2024-01.io.example:a"})")[0]["namespaces"][1]["host_qos_limits"];
    }
    answer set(json what, std::uint32_t nsid = 5) {
        what["nqn"] = "nqn.2024-01.io.example:a";
        what["nsid"] = nsid;
        if (!what.contains("host"))
            what["host"] = "nqn.2024-01.io.example:h";
        return w.call("nvmf_ns_set_qos_limit", std::move(what));
    }

    method_fixture w;
};

TEST_F(qos_methods, set_what_a_host_may_start_one_by_one) {
    EXPECT_EQ(limits(), json());
    EXPECT_EQ(set({{"rw_ios_per_sec", 100u}}), json(true));
    EXPECT_EQ(set({{"weight", 3u}, {"w_mbytes_per_sec", 7u}}), json(true));
    EXPECT_EQ(limits(), parsed(R"([{"host": "nqn.2024-01.io.example:h", "rw_ios_per_sec": 100, "rw_mbytes_per_sec": 0,
                                    "r_mbytes_per_sec": 0, "w_mbytes_per_sec": 7, "weight": 3}])"));
    EXPECT_EQ(set({{"rw_ios_per_sec", 0u}, {"w_mbytes_per_sec", 0u}, {"weight", 1u}}), json(true));
    EXPECT_EQ(limits(), json());
}

TEST_F(qos_methods, refuse_what_makes_no_sense) {
    const auto refused = [&](const answer& a, const char* text) {
        ASSERT_FALSE(a);
        EXPECT_EQ(a.error().code, -32602);
        EXPECT_THAT(a.error().message, HasSubstr(text));
    };
    refused(set({}), "no limit is given");
    refused(set({{"weight", 0u}}), "at least 1");
    refused(set({{"weight", 2u}, {"host", ""}}), "host NQN");
    refused(set({{"weight", 2u}}, 6), "no namespace 6");
}

TEST_F(qos_methods, are_saved_and_replayed) {
    set({{"rw_ios_per_sec", 100u}, {"weight", 3u}});
    set({{"host", "nqn.2024-01.io.example:g"}, {"r_mbytes_per_sec", 9u}});
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
