// SPDX-License-Identifier: Apache-2.0
#include "rpc/testing/rpc_fixture.h"

#include <gmock/gmock.h>

namespace causeway::rpc {
namespace {

using test::method_fixture;
using test::parsed;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* to_a_service = R"({"address": {"trtype": "rdma", "adrfam": "ipv4", "traddr": "10.0.0.9",
                                                     "trsvcid": "8009"}})";
constexpr const char* to_a_subsystem = R"({"address": {"trtype": "TCP", "traddr": "fd00::9", "trsvcid": "4420"},
                                           "secure_channel": true, "subnqn": "nqn.2024-01.io.example:far"})";

TEST(discovery_methods, add_list_and_remove_referrals) {
    method_fixture w;
    w.start();
    EXPECT_EQ(w.result("nvmf_discovery_add_referral", to_a_service), json(true));
    EXPECT_EQ(w.result("nvmf_discovery_add_referral", to_a_subsystem), json(true));
    EXPECT_EQ(w.result("nvmf_discovery_get_referrals"),
              parsed(R"([{"address": {"trtype": "RDMA", "adrfam": "IPv4", "traddr": "10.0.0.9", "trsvcid": "8009"},
                          "secure_channel": false, "subnqn": "nqn.2014-08.org.nvmexpress.discovery"},
                         {"address": {"trtype": "TCP", "adrfam": "IPv6", "traddr": "fd00::9", "trsvcid": "4420"},
                          "secure_channel": true, "subnqn": "nqn.2024-01.io.example:far"}])"));
    EXPECT_EQ(w.result("nvmf_discovery_remove_referral", to_a_service), json(true));
    EXPECT_EQ(w.result("nvmf_discovery_get_referrals").size(), 1u);
    const answer again = w.call("nvmf_discovery_remove_referral", to_a_service);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, -32602);
    EXPECT_THAT(again.error().message, HasSubstr("no such referral"));
}

struct filter_row {
    const char* params;
    json saved;  ///< discovery_filters; null: nothing
};
const filter_row filters[] = {
    {R"({"discovery_filter": "match_any"})", nullptr},
    {R"({"discovery_filters": []})", nullptr},
    {R"({"discovery_filter": "address"})", {"address"}},
    {R"({"discovery_filter": "svcid,transport"})", {"transport", "svcid"}},
    {R"({"discovery_filters": ["transport", "address", "svcid"]})", {"transport", "address", "svcid"}},
};

TEST(discovery_methods, discovery_can_be_deleted_for_control_planes_that_have_their_own) {
    constexpr const char* discovery = R"({"nqn": "nqn.2014-08.org.nvmexpress.discovery"})";
    method_fixture w;
    w.furnish();
    const auto config = [&] { return w.result("framework_get_config", R"({"name": "nvmf"})"); };
    const json deletion = {{"method", "nvmf_delete_subsystem"}, {"params", parsed(discovery)}};
    EXPECT_THAT(config(), Not(Contains(deletion)));
    EXPECT_EQ(w.result("nvmf_delete_subsystem", discovery), json(true));
    EXPECT_EQ(w.result("nvmf_get_subsystems").size(), 1u);
    EXPECT_THAT(config(), Contains(deletion)) << "it stays so";
    EXPECT_EQ(w.call("nvmf_delete_subsystem", discovery).error().code, error_code::parameters) << "it is gone";
    EXPECT_EQ(
        w.call("nvmf_create_subsystem", discovery).error().message,
        "nqn.2014-08.org.nvmexpress.discovery: the discovery subsystem was deleted: it is there again after a restart");
    EXPECT_EQ(w.result("nvmf_discovery_get_referrals"), json::array());
}

TEST(discovery_methods, set_and_save_the_filter) {
    for (const filter_row& row : filters) {
        SCOPED_TRACE(row.params);
        method_fixture w;
        EXPECT_EQ(w.result("nvmf_set_config", row.params), json(true));
        w.start();
        const json saved = w.result("framework_get_config", R"({"name": "nvmf"})");
        if (row.saved.is_null()) {
            EXPECT_EQ(saved, json::array());
        } else {
            EXPECT_THAT(saved,
                        Contains(json{{"method", "nvmf_set_config"}, {"params", {{"discovery_filters", row.saved}}}}));
        }
    }
    method_fixture w;
    for (const char* wrong : {R"({"discovery_filter": "match_any,address"})", R"({"discovery_filter": "adress"})",
                              R"({"discovery_filter": ""})", R"({"discovery_filters": ["match_any"]})",
                              R"({"discovery_filters": "address"})"})
        EXPECT_FALSE(w.call("nvmf_set_config", wrong)) << wrong;
}

TEST(discovery_methods, set_and_save_a_name_that_no_other_discovery_subsystem_has) {
    constexpr const char* named = R"({"discovery_nqn": "nqn.2024-01.io.example:discovery"})";
    constexpr const char* well_known = R"({"discovery_nqn": "nqn.2014-08.org.nvmexpress.discovery"})";
    const auto settings_after = [](std::initializer_list<const char*> calls) {
        method_fixture w;
        for (const char* params : calls)
            EXPECT_EQ(w.result("nvmf_set_config", params), json(true));
        w.start();
        return w.result("framework_get_config", R"({"name": "nvmf"})");
    };
    EXPECT_EQ(settings_after({named, R"({"dup_host_policy": "allow"})"}),
              json::array({json{{"method", "nvmf_set_config"}, {"params", parsed(named)}}}));
    EXPECT_EQ(settings_after({named, well_known}), json::array());

    method_fixture w;
    EXPECT_EQ(w.result("nvmf_set_config", named), json(true));
    w.start();
    EXPECT_EQ(w.nvmf.target->discovery().reported_nqn(), "nqn.2024-01.io.example:discovery");
    EXPECT_EQ(w.result("nvmf_get_subsystems")[0]["nqn"], "nqn.2014-08.org.nvmexpress.discovery");
    EXPECT_EQ(w.call("nvmf_create_subsystem", R"({"nqn": "nqn.2024-01.io.example:discovery"})").error().message,
              "nqn.2024-01.io.example:discovery: a subsystem with this NQN already exists");
}

TEST(discovery_methods, refuse_a_name_of_the_discovery_subsystem_that_is_no_nqn) {
    method_fixture w;
    const json longest = "nqn.2024-01.io.example:" + std::string(223 - 23, 'x');
    EXPECT_EQ(w.result("nvmf_set_config", json{{"discovery_nqn", longest}}.dump().c_str()), json(true));
    for (const json& wrong : {json(""), json("discovery"), json("nqn.2024-13.io.example:x"),
                              json("nqn.2024-01.io.example:"), json(longest.get<std::string>() + "x"), json(1)}) {
        const answer a = w.call("nvmf_set_config", json{{"discovery_nqn", wrong}}.dump().c_str());
        ASSERT_FALSE(a) << wrong;
        EXPECT_THAT(a.error().message, HasSubstr("parameter 'discovery_nqn' must be an NVMe qualified name")) << wrong;
    }
}

TEST(discovery_methods, save_referrals) {
    method_fixture w, again(2);
    w.start();
    w.result("nvmf_discovery_add_referral", to_a_service);
    w.result("nvmf_discovery_add_referral", to_a_subsystem);
    const json saved = w.result("framework_get_config", R"({"name": "nvmf"})");
    again.start();
    for (const json& call : saved)
        EXPECT_TRUE(again.call(call["method"], call["params"])) << call;
    EXPECT_EQ(again.result("nvmf_discovery_get_referrals"), w.result("nvmf_discovery_get_referrals"));
    EXPECT_EQ(again.result("framework_get_config", R"({"name": "nvmf"})"), saved);
}

}  // namespace
}  // namespace causeway::rpc
