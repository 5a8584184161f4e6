// SPDX-License-Identifier: Apache-2.0
#include "tools/config_plan.h"
#include "tools/method_help.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace causeway::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

config_state state(const std::vector<std::string>& calls) {
    json list = json::array();
    for (const std::string& call : calls)
        list.push_back(
            {{"method", call.substr(0, call.find(' '))}, {"params", json::parse(call.substr(call.find(' ') + 1))}});
    const json config = {{"subsystems", {{{"subsystem", "nvmf"}, {"config", list}}}}};
    auto read = config_state::read(config, all_method_help(), true);
    EXPECT_TRUE(read) << read.error().text();
    return std::move(*read);
}

std::vector<std::string> steps(const config_plan& p) {
    std::vector<std::string> texts;
    for (const auto& s : p.steps)
        texts.push_back(s.text);
    return texts;
}

/// "method {params}", of all steps.
std::vector<std::string> calls(const config_plan& p) {
    std::vector<std::string> all;
    for (const auto& s : p.steps)
        for (const auto& c : s.calls)
            all.push_back(c.method + " " + c.params.dump());
    return all;
}

const std::string key = R"(keyring_file_add_key {"name": "k", "path": "/k"})";
const std::string tcp = R"(nvmf_create_transport {"trtype": "TCP"})";
const std::string null0 = R"(bdev_null_create {"name": "N", "block_size": 512, "num_blocks": 8})";
const std::string limit = R"(bdev_set_qos_limit {"name": "N", "rw_ios_per_sec": 9})";
const std::string subsystem = R"(nvmf_create_subsystem {"nqn": "nqn.a", "max_namespaces": 3, "ana_reporting": true})";
const std::string host = R"(nvmf_subsystem_add_host {"nqn": "nqn.a", "host": "nqn.h", "psk": "k"})";
const std::string ns1 =
    R"(nvmf_subsystem_add_ns {"nqn": "nqn.a", "namespace": {"nsid": 1, "bdev_name": "N", "no_auto_visible": true}})";
const std::string viewer = R"(nvmf_ns_add_host {"nqn": "nqn.a", "nsid": 1, "host": "nqn.h"})";
const std::string share = R"(nvmf_ns_set_qos_limit {"nqn": "nqn.a", "nsid": 1, "host": "nqn.h", "weight": 2})";
const std::string at = R"("listen_address": {"trtype": "TCP", "traddr": "192.0.2.1", "trsvcid": "4420"})";
const std::string listener = R"(nvmf_subsystem_add_listener {"nqn": "nqn.a", )" + at + "}";
const std::string referral =
    R"(nvmf_discovery_add_referral {"address": {"trtype": "TCP", "traddr": "192.0.2.2", "trsvcid": "8009"}})";
const std::vector<std::string> everything = {key,  tcp, null0,  limit, referral, subsystem,
                                             host, ns1, viewer, share, listener};

TEST(config_plan, makes_what_is_needed_before_what_needs_it) {
    const std::vector<std::string> upside_down = {referral, key,    null0, limit, tcp,     subsystem,
                                                  ns1,      viewer, share, host,  listener};
    EXPECT_THAT(steps(make_plan(state(upside_down), state({}), false)),
                ElementsAre("+ key k", "+ transport TCP", "+ device N", "+ rate limit N",
                            "+ referral TCP 192.0.2.2 8009 nqn.2014-08.org.nvmexpress.discovery", "+ subsystem nqn.a",
                            "+ host nqn.a nqn.h", "+ namespace nqn.a 1", "+ viewer nqn.a 1 nqn.h",
                            "+ host limit nqn.a 1 nqn.h", "+ listener nqn.a TCP 192.0.2.1 4420"));
}

TEST(config_plan, does_nothing_where_nothing_differs) {
    const auto p = make_plan(state(everything), state(everything), true);
    EXPECT_THAT(p.steps, IsEmpty());
    EXPECT_THAT(p.left_over, IsEmpty());
    EXPECT_THAT(p.blocked, IsEmpty());
}

TEST(config_plan, removes_only_if_it_may_and_users_first) {
    const auto kept = make_plan(state({tcp}), state(everything), false);
    EXPECT_THAT(kept.steps, IsEmpty());
    EXPECT_EQ(kept.left_over.size(), 10u);
    EXPECT_THAT(kept.left_over[0], HasSubstr("- listener nqn.a TCP 192.0.2.1 4420: --remove removes it"));
    EXPECT_THAT(steps(make_plan(state({tcp}), state(everything), true)),
                ElementsAre("- subsystem nqn.a", "- referral TCP 192.0.2.2 8009 nqn.2014-08.org.nvmexpress.discovery",
                            "- device N", "- key k"))
        << "what is within a subsystem goes with it";
}

TEST(config_plan, names_each_object_to_remove_as_its_method_wants) {
    EXPECT_THAT(
        calls(make_plan(state({key, tcp, null0, subsystem}), state(everything), true)),
        ElementsAre(
            R"(nvmf_subsystem_remove_listener {"nqn":"nqn.a","listen_address":{"trtype":"TCP","traddr":"192.0.2.1","trsvcid":"4420"}})",
            R"(nvmf_subsystem_remove_ns {"nqn":"nqn.a","nsid":1})",
            R"(nvmf_subsystem_remove_host {"nqn":"nqn.a","host":"nqn.h"})",
            R"(nvmf_discovery_remove_referral {"address":{"trtype":"TCP","traddr":"192.0.2.2","trsvcid":"8009"}})",
            R"(bdev_set_qos_limit {"name":"N","rw_ios_per_sec":0,"rw_mbytes_per_sec":0,"r_mbytes_per_sec":0,"w_mbytes_per_sec":0})"));
    EXPECT_THAT(
        calls(make_plan(state({key, tcp, null0, limit, referral, subsystem, host, ns1, listener}), state(everything),
                        true)),
        ElementsAre(
            R"(nvmf_ns_set_qos_limit {"nqn":"nqn.a","nsid":1,"host":"nqn.h","rw_ios_per_sec":0,"rw_mbytes_per_sec":0,"r_mbytes_per_sec":0,"w_mbytes_per_sec":0,"weight":1})",
            R"(nvmf_ns_remove_host {"nqn":"nqn.a","nsid":1,"host":"nqn.h"})"));
}

TEST(config_plan, changes_what_can_be_changed_where_it_is) {
    const auto changed = [](const std::string& last) {
        auto all = everything;
        all.push_back(last);
        return calls(make_plan(state(all), state(everything), false));
    };
    EXPECT_THAT(changed(R"(nvmf_subsystem_allow_any_host {"nqn": "nqn.a", "allow_any_host": true})"),
                ElementsAre(R"(nvmf_subsystem_allow_any_host {"nqn":"nqn.a","allow_any_host":true})"));
    EXPECT_THAT(changed(R"(nvmf_subsystem_set_keys {"nqn": "nqn.a", "host": "nqn.h", "dhchap_key": "k"})"),
                ElementsAre(R"(nvmf_subsystem_set_keys {"nqn":"nqn.a","host":"nqn.h","dhchap_key":"k"})"));
    EXPECT_THAT(changed(R"(nvmf_subsystem_set_ns_ana_group {"nqn": "nqn.a", "nsid": 1, "anagrpid": 3})"),
                ElementsAre(R"(nvmf_subsystem_set_ns_ana_group {"nqn":"nqn.a","nsid":1,"anagrpid":3})"));
    EXPECT_THAT(
        changed(R"(bdev_set_qos_limit {"name": "N", "rw_ios_per_sec": 7})"),
        ElementsAre(
            R"(bdev_set_qos_limit {"name":"N","rw_ios_per_sec":7,"rw_mbytes_per_sec":0,"r_mbytes_per_sec":0,"w_mbytes_per_sec":0})"));
    EXPECT_THAT(
        changed(
            R"(nvmf_subsystem_listener_set_ana_state {"nqn": "nqn.a", "ana_state": "inaccessible", "anagrpid": 2, )" +
            at + "}"),
        ElementsAre(
            R"(nvmf_subsystem_listener_set_ana_state {"nqn":"nqn.a","listen_address":{"trtype":"TCP","traddr":"192.0.2.1","trsvcid":"4420"},"ana_state":"inaccessible","anagrpid":2})"));
}

TEST(config_plan, a_namespace_that_all_hosts_see_needs_no_removal_of_its_hosts) {
    auto visible = everything;
    std::erase(visible, viewer);
    visible.push_back(R"(nvmf_subsystem_set_ns_visibility {"nqn": "nqn.a", "nsid": 1, "auto_visible": true})");
    EXPECT_THAT(calls(make_plan(state(visible), state(everything), true)),
                ElementsAre(R"(nvmf_subsystem_set_ns_visibility {"nqn":"nqn.a","nsid":1,"auto_visible":true})"));
}

TEST(config_plan, makes_again_what_cannot_be_changed_with_all_that_needs_it) {
    auto larger = everything;
    larger[2] = R"(bdev_null_create {"name": "N", "block_size": 512, "num_blocks": 16})";
    const auto kept = make_plan(state(larger), state(everything), false);
    EXPECT_THAT(kept.steps, IsEmpty());
    EXPECT_THAT(kept.blocked,
                ElementsAre(HasSubstr("~ device N: num_blocks 8 -> 16: it has to be removed and made again")));
    EXPECT_THAT(steps(make_plan(state(larger), state(everything), true)),
                ElementsAre("- namespace nqn.a 1: to be made again", "- device N: to be made again", "+ device N",
                            "+ rate limit N", "+ namespace nqn.a 1", "+ viewer nqn.a 1 nqn.h",
                            "+ host limit nqn.a 1 nqn.h"));
}

TEST(config_plan, what_only_a_start_can_change_is_said) {
    const auto p = make_plan(
        state({R"(nvmf_create_transport {"trtype": "TCP", "max_queue_depth": 64})", R"(nvmf_set_crdt {"crdt1": 4})"}),
        state({R"(nvmf_create_transport {"trtype": "TCP", "max_queue_depth": 128})",
               R"(nvmf_create_transport {"trtype": "RDMA"})"}),
        true);
    EXPECT_THAT(p.steps, IsEmpty());
    EXPECT_THAT(p.blocked,
                ElementsAre(HasSubstr("crdt1 0 -> 4: start the gateway with the file"), HasSubstr("transport TCP")));
    EXPECT_THAT(p.left_over, ElementsAre(HasSubstr("transport RDMA")));
}

TEST(config_plan, a_listener_whose_groups_differ_is_inaccessible_until_all_are_set) {
    auto differ = everything;
    differ.push_back(
        R"(nvmf_subsystem_listener_set_ana_state {"nqn": "nqn.a", "ana_state": "inaccessible", "anagrpid": 2, )" + at +
        "}");
    auto without = everything;
    std::erase(without, listener);
    const auto made = calls(make_plan(state(differ), state(without), false));
    ASSERT_EQ(made.size(), 3u);
    EXPECT_THAT(made[0], HasSubstr(R"("ana_state":"inaccessible")"));
    EXPECT_THAT(made[1], HasSubstr(R"("ana_state":"optimized","anagrpid":1)"));
    EXPECT_THAT(made[2], HasSubstr(R"("ana_state":"optimized","anagrpid":3)"));
}

TEST(config_plan, a_key_that_is_not_kept_is_there_while_its_host_is_made) {
    const std::vector<std::string> borrowed = {subsystem, key, host, R"(keyring_file_remove_key {"name": "k"})"};
    EXPECT_THAT(calls(make_plan(state(borrowed), state({subsystem}), false)),
                ElementsAre(R"(keyring_file_add_key {"name":"k","path":"/k"})",
                            R"(nvmf_subsystem_add_host {"nqn":"nqn.a","host":"nqn.h","psk":"k"})",
                            R"(keyring_file_remove_key {"name":"k"})"));
    EXPECT_THAT(steps(make_plan(state(borrowed), state(borrowed), true)), IsEmpty());
}

const std::vector<std::string> borrowing = {subsystem, key, host, R"(keyring_file_remove_key {"name": "k"})"};
const std::string other_key = R"(keyring_file_add_key {"name": "k", "path": "/other"})";

TEST(config_plan, a_borrowed_key_that_the_keyring_has_is_used) {
    EXPECT_THAT(calls(make_plan(state(borrowing), state({subsystem, key}), false)),
                ElementsAre(R"(nvmf_subsystem_add_host {"nqn":"nqn.a","host":"nqn.h","psk":"k"})"));
}

TEST(config_plan, a_host_does_not_get_the_key_of_another_file) {
    const auto p = make_plan(state(borrowing), state({subsystem, other_key}), false);
    EXPECT_THAT(p.steps, IsEmpty());
    EXPECT_THAT(p.blocked, ElementsAre(HasSubstr("the keyring has the name k for /other, not for /k")));
    EXPECT_THAT(calls(make_plan(state(borrowing), state({subsystem, other_key}), true)),
                ElementsAre(R"(keyring_file_remove_key {"name":"k"})",
                            R"(keyring_file_add_key {"name":"k","path":"/k"})",
                            R"(nvmf_subsystem_add_host {"nqn":"nqn.a","host":"nqn.h","psk":"k"})",
                            R"(keyring_file_remove_key {"name":"k"})"));
    auto both = borrowing;
    both.push_back(other_key);
    EXPECT_THAT(make_plan(state(both), state({subsystem}), true).blocked,
                ElementsAre(HasSubstr("+ host nqn.a nqn.h: the keyring has the name k for /other, not for /k")));
    const auto of_another_file = make_plan(state(both), state({subsystem, other_key, host}), true);
    EXPECT_THAT(of_another_file.steps, IsEmpty()) << "a host that cannot be made again stays";
    EXPECT_THAT(of_another_file.blocked, ElementsAre(HasSubstr("~ host nqn.a nqn.h: psk")));
}

TEST(config_plan, a_borrowed_key_leaves_the_keyring_even_if_its_host_cannot_be_made) {
    const auto p = make_plan(state(borrowing), state({subsystem}), false);
    ASSERT_EQ(p.steps.size(), 1u);
    const auto made_until = [&](const std::string& failing) {
        std::vector<std::string> made;
        const auto done = carry_out(p.steps[0], [&](const std::string& method, const json&) -> core::result<json> {
            made.push_back(method);
            if (method == failing)
                return core::fail(EINVAL, "no");
            return json(true);
        });
        EXPECT_EQ(done.has_value(), failing.empty());
        if (!done)
            made.push_back(done.error().sentence);
        return made;
    };
    EXPECT_THAT(made_until(""),
                ElementsAre("keyring_file_add_key", "nvmf_subsystem_add_host", "keyring_file_remove_key"));
    EXPECT_THAT(made_until("nvmf_subsystem_add_host"),
                ElementsAre("keyring_file_add_key", "nvmf_subsystem_add_host", "keyring_file_remove_key",
                            "no (1 of its 3 calls were made)"));
    EXPECT_THAT(made_until("keyring_file_add_key"), ElementsAre("keyring_file_add_key", "no"));
}

TEST(config_plan, a_host_keeps_the_key_that_leaves_the_keyring) {
    EXPECT_THAT(calls(make_plan(state(borrowing), state({subsystem, key, host}), true)),
                ElementsAre(R"(keyring_file_remove_key {"name":"k"})"));
    EXPECT_THAT(steps(make_plan(state({subsystem, other_key, host}), state({subsystem, key, host}), true)),
                ElementsAre("- host nqn.a nqn.h: to be made again", "- key k: to be made again", "+ key k",
                            "+ host nqn.a nqn.h"));
}

TEST(config_plan, a_change_that_has_failed_is_forgotten_before_anything_is_made) {
    const json change = {{"nqn", "nqn.a"}, {"nsid", 1}, {"anagrpid", 3}};
    const json config = {
        {"subsystems",
         {{{"subsystem", "nvmf"}, {"config", {{{"method", "nvmf_subsystem_set_ns_ana_group"}, {"params", change}}}}}}}};
    const auto actual =
        config_state::read(config, all_method_help(), false, {{4, "nvmf_subsystem_set_ns_ana_group", change, "why"}});
    ASSERT_TRUE(actual) << actual.error().text();
    const auto p = make_plan(state({null0}), *actual, false);
    ASSERT_EQ(p.steps.size(), 2u);
    EXPECT_THAT(p.steps[0].text, HasSubstr("nvmf_subsystem_set_ns_ana_group"));
    EXPECT_EQ(calls(p)[0], R"(framework_forget_failed_config {"id":4})");
    EXPECT_EQ(p.steps[1].text, "+ device N");
}

TEST(config_plan, a_failed_call_that_is_not_wished_is_forgotten) {
    const json params = {{"name", "N"}, {"block_size", 512}, {"num_blocks", 8}};
    const json config = {
        {"subsystems", {{{"subsystem", "bdev"}, {"config", {{{"method", "bdev_null_create"}, {"params", params}}}}}}}};
    const auto actual = config_state::read(config, all_method_help(), false, {{4, "bdev_null_create", params, "why"}});
    ASSERT_TRUE(actual);
    EXPECT_THAT(calls(make_plan(state({}), *actual, true)), ElementsAre(R"(framework_forget_failed_config {"id":4})"));
    EXPECT_THAT(make_plan(state({}), *actual, false).left_over, ElementsAre(HasSubstr("- device N")));
}

}  // namespace
}  // namespace causeway::tools
