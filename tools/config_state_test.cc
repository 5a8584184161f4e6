// SPDX-License-Identifier: Apache-2.0
#include "tools/config_diff.h"
#include "tools/method_help.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace causeway::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// A configuration of these calls, each "method {params}".
json configuration(const std::vector<std::string>& calls) {
    json list = json::array();
    for (const std::string& call : calls)
        list.push_back(
            {{"method", call.substr(0, call.find(' '))}, {"params", json::parse(call.substr(call.find(' ') + 1))}});
    return {{"subsystems", {{{"subsystem", "nvmf"}, {"config", list}}}}};
}

core::result<config_state> read(const std::vector<std::string>& calls) {
    return config_state::read(configuration(calls), all_method_help(), true);
}

std::vector<std::string> differences(const std::vector<std::string>& wished, const std::vector<std::string>& actual) {
    const auto w = read(wished), a = read(actual);
    EXPECT_TRUE(w) << w.error().text();
    EXPECT_TRUE(a) << a.error().text();
    std::vector<std::string> lines;
    if (w && a)
        for (const config_change& c : compare(*w, *a))
            lines.push_back(c.text());
    return lines;
}

std::string error_of(const std::vector<std::string>& calls) {
    const auto s = read(calls);
    return s ? "" : s.error().text();
}

const std::string subsystem = R"(nvmf_create_subsystem {"nqn": "nqn.a", "serial_number": "S"})";
const std::string reporting = R"(nvmf_create_subsystem {"nqn": "nqn.a", "max_namespaces": 3, "ana_reporting": true})";
const std::string tcp = R"(nvmf_create_transport {"trtype": "TCP"})";
const std::string null0 = R"(bdev_null_create {"name": "N", "block_size": 512, "num_blocks": 8})";
const std::string ns1 = R"(nvmf_subsystem_add_ns {"nqn": "nqn.a", "namespace": {"nsid": 1, "bdev_name": "N"}})";
const std::string at = R"("listen_address": {"trtype": "TCP", "traddr": "192.0.2.1", "trsvcid": "4420"})";
const std::string listener = R"(nvmf_subsystem_add_listener {"nqn": "nqn.a", )" + at + "}";

struct row {
    const char* kind;
    std::vector<std::string> before;
    std::string call, changed;
    const char* name;
    const char* difference;
};
const row rows[] = {
    {"key",
     {},
     R"(keyring_file_add_key {"name": "k", "path": "/a"})",
     R"(keyring_file_add_key {"name": "k", "path": "/b"})",
     "key k",
     ": path /a -> /b"},
    {"transport",
     {},
     R"(nvmf_create_transport {"trtype": "TCP", "max_queue_depth": 128})",
     R"(nvmf_create_transport {"trtype": "tcp", "max_queue_depth": 64})",
     "transport TCP",
     ": max_queue_depth 128 -> 64"},
    {"cluster",
     {},
     R"(bdev_rbd_register_cluster {"name": "ceph", "config_param": {"key": "AQ", "mon_host": "a"}})",
     R"(bdev_rbd_register_cluster {"name": "ceph", "user_id": "u", "config_param": {"key": "AB", "mon_host": "b"}})",
     "cluster ceph",
     ": user_id none -> u, config_param.key (withheld) -> (withheld), config_param.mon_host a -> b"},
    {"controller",
     {},
     R"(bdev_nvme_attach_controller {"name": "N", "trtype": "PCIe", "traddr": "0000:01:00.0"})",
     R"(bdev_nvme_attach_controller {"name": "N", "trtype": "PCIe", "traddr": "0000:02:00.0"})",
     "controller N",
     ": traddr 0000:01:00.0 -> 0000:02:00.0"},
    {"RBD image",
     {},
     R"(bdev_rbd_create {"name": "D", "pool_name": "rbd", "rbd_name": "a", "block_size": 512})",
     R"(bdev_rbd_create {"name": "D", "pool_name": "rbd", "rbd_name": "a", "block_size": 512, "read_only": true})",
     "device D",
     ": read_only false -> true"},
    {"null device",
     {},
     null0,
     R"(bdev_null_create {"name": "N", "block_size": 512, "num_blocks": 16})",
     "device N",
     ": num_blocks 8 -> 16"},
    {"memory device",
     {},
     R"(bdev_malloc_create {"name": "M", "block_size": 512, "num_blocks": 8})",
     R"(bdev_malloc_create {"name": "M", "block_size": 4096, "num_blocks": 8})",
     "device M",
     ": block_size 512 -> 4096"},
    {"device of faults",
     {null0},
     R"(bdev_error_create {"base_name": "N", "uuid": "0f6f1c52-7a36-4d5e-9f0e-2f4a3c1d9b10"})",
     R"(bdev_error_create {"base_name": "N", "uuid": "0F6F1C52-7A36-4D5E-9F0E-2F4A3C1D9B11"})",
     "device EE_N",
     ": uuid 0f6f1c52-7a36-4d5e-9f0e-2f4a3c1d9b10 -> 0f6f1c52-7a36-4d5e-9f0e-2f4a3c1d9b11"},
    {"device of another kind",
     {},
     null0,
     R"(bdev_malloc_create {"name": "N", "block_size": 512, "num_blocks": 8})",
     "device N",
     ": method bdev_null_create -> bdev_malloc_create"},
    {"rate limit",
     {null0},
     R"(bdev_set_qos_limit {"name": "N", "rw_ios_per_sec": 1000})",
     R"(bdev_set_qos_limit {"name": "N", "r_mbytes_per_sec": 5})",
     "rate limit N",
     ": rw_ios_per_sec 1000 -> 0, r_mbytes_per_sec 0 -> 5"},
    {"referral",
     {},
     R"(nvmf_discovery_add_referral {"address": {"trtype": "TCP", "traddr": "fd00::9", "trsvcid": "8009"}})",
     R"(nvmf_discovery_add_referral {"address": {"trtype": "tcp", "traddr": "fd00:0::9", "trsvcid": "8009"}, "secure_channel": true})",
     "referral TCP fd00::9 8009 nqn.2014-08.org.nvmexpress.discovery",
     ": secure_channel false -> true"},
    {"subsystem",
     {},
     subsystem,
     R"(nvmf_create_subsystem {"nqn": "nqn.a", "serial_number": "S", "max_namespaces": 64})",
     "subsystem nqn.a",
     ": max_namespaces 32 -> 64"},
    {"host",
     {subsystem, R"(keyring_file_add_key {"name": "k", "path": "/a"})"},
     R"(nvmf_subsystem_add_host {"nqn": "nqn.a", "host": "nqn.h"})",
     R"(nvmf_subsystem_add_host {"nqn": "nqn.a", "host": "nqn.h", "dhchap_key": "k"})",
     "host nqn.a nqn.h",
     ": dhchap_key none -> k"},
    {"namespace",
     {subsystem, null0},
     ns1,
     R"(nvmf_subsystem_add_ns {"nqn": "nqn.a", "namespace": {"nsid": 1, "bdev_name": "N", "no_auto_visible": true}})",
     "namespace nqn.a 1",
     ": namespace.no_auto_visible false -> true"},
    {"limit of a host",
     {subsystem, null0, ns1},
     R"(nvmf_ns_set_qos_limit {"nqn": "nqn.a", "nsid": 1, "host": "nqn.h", "weight": 2})",
     R"(nvmf_ns_set_qos_limit {"nqn": "nqn.a", "nsid": 1, "host": "nqn.h", "weight": 3})",
     "host limit nqn.a 1 nqn.h",
     ": weight 2 -> 3"},
    {"listener",
     {tcp, subsystem},
     listener,
     R"(nvmf_subsystem_add_listener {"nqn": "nqn.a", "secure_channel": true, )" + at + "}",
     "listener nqn.a TCP 192.0.2.1 4420",
     ": secure_channel false -> true"},
    {"ANA state",
     {tcp, reporting},
     listener,
     R"(nvmf_subsystem_add_listener {"nqn": "nqn.a", "ana_state": "inaccessible", )" + at + "}",
     "listener nqn.a TCP 192.0.2.1 4420",
     ": ana_state optimized -> inaccessible"},
};

std::vector<std::string> with(std::vector<std::string> calls, const std::string& last) {
    calls.push_back(last);
    return calls;
}

TEST(config_diff, an_object_of_each_kind_is_equal_added_removed_and_changed) {
    for (const row& r : rows) {
        SCOPED_TRACE(r.kind);
        const auto one = with(r.before, r.call), other = with(r.before, r.changed);
        EXPECT_THAT(differences(one, one), IsEmpty());
        EXPECT_THAT(differences(one, r.before), ElementsAre(fmt::format("+ {}", r.name)));
        EXPECT_THAT(differences(r.before, one), ElementsAre(fmt::format("- {}", r.name)));
        EXPECT_THAT(differences(other, one), ElementsAre(fmt::format("~ {}{}", r.name, r.difference)));
    }
}

TEST(config_diff, a_host_that_sees_a_namespace_has_nothing_that_could_change) {
    const std::vector<std::string> before = {subsystem, null0, ns1};
    const auto after = with(before, R"(nvmf_ns_add_host {"nqn": "nqn.a", "nsid": 1, "host": "nqn.h"})");
    EXPECT_THAT(differences(after, after), IsEmpty());
    EXPECT_THAT(differences(after, before), ElementsAre("+ viewer nqn.a 1 nqn.h"));
    EXPECT_THAT(differences(before, after), ElementsAre("- viewer nqn.a 1 nqn.h"));
}

TEST(config_diff, a_setting_that_the_file_does_not_name_is_not_compared) {
    const std::string set = R"(nvmf_set_crdt {"crdt1": 10})", hotplug = R"(bdev_nvme_set_hotplug {"enable": true})";
    EXPECT_THAT(differences({}, {set, hotplug}), IsEmpty());
    EXPECT_THAT(differences({set}, {}), ElementsAre("~ setting nvmf_set_crdt: crdt1 0 -> 10"));
    EXPECT_THAT(differences({set}, {R"(nvmf_set_crdt {"crdt1": 5})"}),
                ElementsAre("~ setting nvmf_set_crdt: crdt1 5 -> 10"));
    EXPECT_THAT(
        differences({R"(nvmf_set_config {"discovery_filters": [], "dhchap_digests": ["sha256", "sha384", "sha512"]})"},
                    {}),
        IsEmpty());
}

TEST(config_diff, what_is_left_to_the_gateway_is_not_compared) {
    EXPECT_THAT(differences({R"(nvmf_create_subsystem {"nqn": "nqn.a"})"}, {subsystem}), IsEmpty());
    EXPECT_THAT(
        differences(
            {null0},
            {R"(bdev_null_create {"name": "N", "block_size": 512, "num_blocks": 8, "physical_block_size": 512, "uuid": "0f6f1c52-7a36-4d5e-9f0e-2f4a3c1d9b10"})"}),
        IsEmpty());
    EXPECT_THAT(differences({tcp}, {R"(nvmf_create_transport {"trtype": "TCP", "iobuf_small_cache_size": 77})"}),
                IsEmpty());
    EXPECT_THAT(differences({R"(nvmf_create_transport {"trtype": "TCP", "max_srq_depth": 77})"}, {tcp}), IsEmpty());
    const std::string with_key = R"(bdev_rbd_register_cluster {"name": "c", "config_param": {"key": "AQ"}})";
    const std::string saved = R"-(bdev_rbd_register_cluster {"name": "c", "config_param": {"key": "(withheld)"}})-";
    EXPECT_THAT(differences({with_key}, {saved}), IsEmpty());
}

TEST(config_diff, ana_states_are_compared_by_group) {
    const std::vector<std::string> before = {tcp, reporting};
    const auto plain = with(before, listener);
    const auto second =
        with(plain,
             R"(nvmf_subsystem_listener_set_ana_state {"nqn": "nqn.a", "ana_state": "non_optimized", "anagrpid": 2, )" +
                 at + "}");
    EXPECT_THAT(differences(second, plain),
                ElementsAre("~ listener nqn.a TCP 192.0.2.1 4420: ana_state of group 2 optimized -> non_optimized"));
    auto saved =
        with(before, R"(nvmf_subsystem_add_listener {"nqn": "nqn.a", "ana_state": "inaccessible", )" + at + "}");
    for (const char* group :
         {R"("optimized", "anagrpid": 1)", R"("non_optimized", "anagrpid": 2)", R"("optimized", "anagrpid": 3)"})
        saved.push_back(
            fmt::format(R"(nvmf_subsystem_listener_set_ana_state {{"nqn": "nqn.a", "ana_state": {}, {}}})", group, at));
    EXPECT_THAT(differences(saved, second), IsEmpty()) << "the same, as a gateway saves it";
}

TEST(config_state, later_calls_change_what_earlier_ones_have_made) {
    const std::vector<std::string> before = {subsystem, null0, ns1,
                                             R"(nvmf_subsystem_add_host {"nqn": "nqn.a", "host": "nqn.h"})"};
    EXPECT_THAT(
        differences(with(before, R"(nvmf_subsystem_allow_any_host {"nqn": "nqn.a", "allow_any_host": true})"), before),
        ElementsAre("~ subsystem nqn.a: allow_any_host false -> true"));
    EXPECT_THAT(
        differences(
            with(before, R"(nvmf_subsystem_set_ns_visibility {"nqn": "nqn.a", "nsid": 1, "auto_visible": false})"),
            before),
        ElementsAre("~ namespace nqn.a 1: namespace.no_auto_visible false -> true"));
    EXPECT_THAT(
        differences(with(before, R"(nvmf_subsystem_set_ns_ana_group {"nqn": "nqn.a", "nsid": 1, "anagrpid": 3})"),
                    before),
        ElementsAre("~ namespace nqn.a 1: namespace.anagrpid 0 -> 3"));
    EXPECT_THAT(differences(with(before, R"(nvmf_delete_subsystem {"nqn": "nqn.a"})"), {null0}), IsEmpty());
    EXPECT_THAT(differences(with({}, R"(nvmf_delete_subsystem {"nqn": "nqn.2014-08.org.nvmexpress.discovery"})"), {}),
                ElementsAre("- subsystem nqn.2014-08.org.nvmexpress.discovery"));
    EXPECT_THAT(differences({null0, R"(bdev_set_qos_limit {"name": "N", "rw_ios_per_sec": 0})"}, {null0}), IsEmpty());
}

TEST(config_state, a_namespace_without_a_number_gets_the_lowest) {
    EXPECT_THAT(
        differences({subsystem, null0, R"(nvmf_subsystem_add_ns {"nqn": "nqn.a", "namespace": {"bdev_name": "N"}})"},
                    {subsystem, null0, ns1}),
        IsEmpty());
}

TEST(config_state, a_mistake_is_reported_with_its_entry) {
    EXPECT_EQ(error_of({"nvmf_create_subsystm {}"}),
              "nvmf, entry 1: there is no method 'nvmf_create_subsystm' (did you mean 'nvmf_create_subsystem'?)");
    EXPECT_THAT(error_of({R"(nvmf_create_subsystem {"nqn": "a", "max": 1})"}), HasSubstr("has no parameter 'max'"));
    EXPECT_THAT(error_of({subsystem, "nvmf_create_subsystem {}"}),
                HasSubstr("entry 2: nvmf_create_subsystem needs the parameter 'nqn'"));
    EXPECT_THAT(error_of({R"(nvmf_create_subsystem {"nqn": 7})"}), HasSubstr("must be a string"));
    EXPECT_THAT(error_of({subsystem, subsystem}), HasSubstr("entry 2: subsystem nqn.a is made twice"));
    EXPECT_THAT(error_of({null0, ns1}),
                HasSubstr("namespace nqn.a 1 needs subsystem nqn.a, which the file does not make"));
    EXPECT_THAT(error_of({subsystem, ns1}), HasSubstr("needs device N"));
    EXPECT_THAT(error_of({subsystem, listener}), HasSubstr("needs transport TCP"));
    EXPECT_THAT(
        error_of(
            {R"(bdev_rbd_create {"name": "D", "pool_name": "p", "rbd_name": "a", "block_size": 512, "cluster_name": "c"})"}),
        HasSubstr("needs cluster c"));
    EXPECT_THAT(error_of({R"(nvmf_subsystem_set_ns_ana_group {"nqn": "nqn.a", "nsid": 1, "anagrpid": 3})"}),
                HasSubstr("there is no namespace nqn.a 1"));
    EXPECT_THAT(error_of({"nvmf_get_stats {}"}), HasSubstr("makes no object"));
    EXPECT_FALSE(config_state::read(json::array(), all_method_help(), true));
}

TEST(config_state, namespaces_of_controllers_and_images_by_their_path_are_devices) {
    const std::string nvme =
        R"(bdev_nvme_attach_controller {"name": "Nvme0", "trtype": "PCIe", "traddr": "0000:01:00.0"})";
    EXPECT_EQ(
        error_of({nvme, subsystem, R"(nvmf_subsystem_add_ns {"nqn": "nqn.a", "namespace": {"bdev_name": "Nvme0n1"}})"}),
        "");
    EXPECT_EQ(error_of({R"(bdev_rbd_create {"name": "D", "pool_name": "p", "rbd_name": "a", "block_size": 512})",
                        subsystem, R"(nvmf_subsystem_add_ns {"nqn": "nqn.a", "namespace": {"bdev_name": "p/a"}})"}),
              "");
}

TEST(config_state, other_spellings_of_the_same_are_equal) {
    const auto image = [](const std::string& more) {
        return R"(bdev_rbd_create {"name": "vm", "pool_name": "rbd", "rbd_name": "a", "block_size": 512)" + more + "}";
    };
    const auto ns = [](const std::string& device) {
        return R"(nvmf_subsystem_add_ns {"nqn": "nqn.a", "namespace": {"nsid": 1, "bdev_name": ")" + device + R"("}})";
    };
    const std::string uuid = "4c4c4544-0035-5910-804a-b5c04f444d33";
    const std::string with_uuid =
        R"(bdev_null_create {"name": "U", "block_size": 512, "num_blocks": 8, "uuid": ")" + uuid + R"("})";
    EXPECT_THAT(differences({image(""), subsystem, ns("rbd/a")}, {image(""), subsystem, ns("vm")}), IsEmpty());
    EXPECT_THAT(differences({subsystem, ns("rbd/a"), image("")}, {image(""), subsystem, ns("vm")}), IsEmpty())
        << "the device comes later";
    EXPECT_THAT(differences({with_uuid, subsystem, ns(uuid)}, {with_uuid, subsystem, ns("U")}), IsEmpty());
    EXPECT_THAT(differences({image(""), R"(bdev_set_qos_limit {"name": "rbd/a", "rw_ios_per_sec": 9})"},
                            {image(""), R"(bdev_set_qos_limit {"name": "vm", "rw_ios_per_sec": 9})"}),
                IsEmpty());
    EXPECT_THAT(differences({image(""), R"(bdev_error_create {"base_name": "rbd/a"})"},
                            {image(""), R"(bdev_error_create {"base_name": "vm"})"}),
                IsEmpty());
    EXPECT_THAT(differences({image(R"(, "namespace_name": "t")"), subsystem, ns("rbd/t/a")},
                            {image(R"(, "namespace": "t")"), subsystem, ns("vm")}),
                IsEmpty());
    const auto attached = [](const std::string& rest) {
        return R"(bdev_nvme_attach_controller {"name": "S", "trtype": "PCIe", "traddr": )" + rest + "}";
    };
    EXPECT_THAT(differences({attached(R"("3B:00.0", "multipath": "disable")")}, {attached(R"("0000:3b:00.0")")}),
                IsEmpty());
    EXPECT_THAT(differences({attached(R"("3b:00.1")")}, {attached(R"("0000:3b:00.0")")}),
                ElementsAre("~ controller S: traddr 0000:3b:00.0 -> 0000:3b:00.1"));
}

TEST(config_state, what_a_client_does_when_fenced_is_left_to_the_gateway_where_the_file_does_not_choose) {
    const auto client = [](const std::string& more) {
        return R"(bdev_rbd_register_cluster {"name": "c")" + more + "}";
    };
    const std::string offline = client(R"(, "on_fenced": "offline")"),
                      reconnect = client(R"(, "on_fenced": "reconnect")");
    EXPECT_THAT(differences({reconnect}, {client("")}), IsEmpty());
    EXPECT_THAT(differences({client("")}, {offline}), IsEmpty());
    EXPECT_THAT(differences({offline}, {client("")}), ElementsAre("~ cluster c: on_fenced none -> offline"));
    EXPECT_THAT(differences({reconnect}, {offline}), ElementsAre("~ cluster c: on_fenced offline -> reconnect"));
}

TEST(config_state, another_file_of_a_borrowed_key_is_a_difference) {
    const auto borrowed = [](const std::string& path) {
        return std::vector<std::string>{subsystem, R"(keyring_file_add_key {"name": "k", "path": ")" + path + R"("})",
                                        R"(nvmf_subsystem_add_host {"nqn": "nqn.a", "host": "nqn.h", "psk": "k"})",
                                        R"(keyring_file_remove_key {"name": "k"})"};
    };
    EXPECT_THAT(differences(borrowed("/b"), borrowed("/a")), ElementsAre("~ host nqn.a nqn.h: psk k (/a) -> k (/b)"));
    EXPECT_THAT(differences(borrowed("/a"), borrowed("/a")), IsEmpty());
}

TEST(config_state, values_of_another_type_are_refused) {
    EXPECT_THAT(error_of({R"(nvmf_create_subsystem {"nqn": "nqn.a", "max_namespaces": "many"})"}),
                HasSubstr("'max_namespaces' of nvmf_create_subsystem must be a number"));
    EXPECT_THAT(error_of({R"(nvmf_create_subsystem {"nqn": "nqn.a", "allow_any_host": 1})"}),
                HasSubstr("'allow_any_host' of nvmf_create_subsystem must be true or false"));
    EXPECT_THAT(error_of({R"(nvmf_subsystem_add_ns {"nqn": "nqn.a", "namespace": {"bdev_name": "N", "nsid": "1"}})"}),
                HasSubstr("'namespace.nsid' of nvmf_subsystem_add_ns must be a number"));
    EXPECT_THAT(error_of({R"(nvmf_set_config {"dhchap_digests": "sha256"})"}),
                HasSubstr("'dhchap_digests' of nvmf_set_config must be an array"));
}

TEST(config_state, a_change_that_has_failed_is_no_object) {
    const json change = {{"nqn", "nqn.a"}, {"nsid", 1}, {"anagrpid", 3}};
    const std::string call = "nvmf_subsystem_set_ns_ana_group " + change.dump();
    const auto actual = config_state::read(configuration({subsystem, null0, ns1, call}), all_method_help(), false,
                                           {{4, "nvmf_subsystem_set_ns_ana_group", change, "no such group"}});
    ASSERT_TRUE(actual);
    EXPECT_THAT(compare(*read({subsystem, null0, ns1}), *actual), IsEmpty());
}

TEST(config_state, what_has_failed_can_be_removed_by_a_later_call) {
    const json key = {{"name", "k"}, {"path", "/k"}};
    const auto actual = config_state::read(
        configuration({"keyring_file_add_key " + key.dump(), R"(keyring_file_remove_key {"name": "k"})"}),
        all_method_help(), false, {{4, "keyring_file_add_key", key, "no such file"}});
    EXPECT_TRUE(actual) << actual.error().text();
}

TEST(config_state, a_call_that_has_failed_has_made_nothing) {
    const json params = {{"name", "N"}, {"block_size", 512}, {"num_blocks", 8}};
    const auto actual = config_state::read(configuration({null0}), all_method_help(), false,
                                           {{4, "bdev_null_create", params, "no memory"}});
    ASSERT_TRUE(actual);
    const auto changes = compare(*read({null0}), *actual);
    ASSERT_EQ(changes.size(), 1u);
    EXPECT_EQ(changes[0].text(), "+ device N (the gateway keeps trying: no memory)");
    EXPECT_EQ(compare(*read({}), *actual).at(0).text(), "- device N (the gateway keeps trying: no memory)");
}

}  // namespace
}  // namespace causeway::tools
