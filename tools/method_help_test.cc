// SPDX-License-Identifier: Apache-2.0
#include "tools/method_help.h"

#include <gmock/gmock.h>

namespace causeway::tools {
namespace {

using ::testing::HasSubstr;

json params_of(const char* method, std::vector<std::string> arguments) {
    const auto parsed = parse_parameters(find_method(all_method_help(), method), arguments);
    EXPECT_TRUE(parsed) << parsed.error().text();
    return parsed ? *parsed : json();
}

std::string refusal(const char* method, std::vector<std::string> arguments) {
    const auto parsed = parse_parameters(find_method(all_method_help(), method), arguments);
    EXPECT_FALSE(parsed) << parsed->dump();
    return parsed ? "" : parsed.error().text();
}

TEST(method_help, arguments_have_the_types_that_are_declared) {
    EXPECT_EQ(params_of("bdev_null_create", {"name=7", "block_size=512", "num_blocks=10"}),
              json::parse(R"({"name": "7", "block_size": 512, "num_blocks": 10})"));
    EXPECT_EQ(
        params_of("nvmf_subsystem_add_listener",
                  {"nqn=n", "listen_address.trtype=TCP", "listen_address.trsvcid=4420", "secure_channel=true"}),
        json::parse(R"({"nqn": "n", "listen_address": {"trtype": "TCP", "trsvcid": "4420"}, "secure_channel": true})"));
    EXPECT_EQ(params_of("bdev_get_iostat", {"names=a,b", "reset_mode=none"}),
              json::parse(R"({"names": ["a", "b"], "reset_mode": "none"})"));
    EXPECT_EQ(params_of("bdev_rbd_register_cluster", {"name=c", "config_param.rbd_cache=false"}),
              json::parse(R"({"name": "c", "config_param": {"rbd_cache": "false"}})"));
    EXPECT_EQ(params_of("bdev_rbd_register_cluster", {"name=c", R"(config_param={"mon_host": "a"})"}),
              json::parse(R"({"name": "c", "config_param": {"mon_host": "a"}})"));
    EXPECT_EQ(params_of("nvmf_create_transport", {"trtype=TCP", "abort_timeout_sec=1", "sock_priority=3"}),
              json::parse(R"({"trtype": "TCP", "abort_timeout_sec": 1, "sock_priority": 3})"));
    EXPECT_EQ(params_of("spdk_get_version", {}), json());
    EXPECT_EQ(params_of("bdev_null_delete", {R"( {"name": "a"})"}), json::parse(R"({"name": "a"})"));
}

TEST(method_help, wrong_arguments_are_refused_in_words) {
    EXPECT_EQ(refusal("bdev_null_create", {"nmae=a"}), "'nmae' is not a parameter: did you mean 'name'?");
    EXPECT_EQ(refusal("bdev_null_create", {"colour=a"}),
              "'colour' is not a parameter: see causeway rpc bdev_null_create --help");
    EXPECT_EQ(refusal("bdev_null_create", {"block_size=big"}), "'block_size' must be a number, not 'big'");
    EXPECT_EQ(refusal("nvmf_subsystem_allow_any_host", {"allow_any_host=yes"}),
              "'allow_any_host' must be true or false, not 'yes'");
    EXPECT_EQ(refusal("nvmf_subsystem_add_ns", {"namespace=vm17"}),
              "'namespace' is an object: give namespace.KEY=VALUE, or JSON");
    EXPECT_EQ(refusal("nvmf_subsystem_add_ns", {"namespace.bdevname=vm17"}),
              "'bdevname' is not a parameter: did you mean 'bdev_name'?");
    EXPECT_EQ(refusal("bdev_null_delete", {"vm17"}), "'vm17' is not of the form KEY=VALUE, nor JSON");
}

TEST(method_help, json_that_is_none_is_explained) {
    EXPECT_EQ(refusal("bdev_null_delete", {"{name: 1}"}),
              "the parameters are not JSON: line 1, column 2: keys and strings stand in double quotes");
    EXPECT_EQ(refusal("bdev_null_delete", {R"({"name": "a")"}),
              "the parameters are not JSON: line 1, column 13: it ends too early: a bracket or a quote is not closed");
    EXPECT_EQ(
        refusal("bdev_null_delete", {"{\"name\":\n }"}),
        "the parameters are not JSON: line 2, column 2: '}' does not belong there: a comma, a colon or a quote may be "
        "missing");
}

TEST(method_help, a_method_is_described) {
    const std::string text = method_text(*find_method(all_method_help(), "nvmf_create_transport"));
    EXPECT_THAT(text, HasSubstr("  trtype (string; required)\n"));
    EXPECT_THAT(text, HasSubstr("  max_queue_depth (number, 2 to 65535; default 128)\n"));
    EXPECT_THAT(text, HasSubstr("zcopy (only false)"));
    EXPECT_THAT(text, HasSubstr("Other parameters are ignored, and logged.\n"));
    EXPECT_THAT(method_text(*find_method(all_method_help(), "nvmf_subsystem_add_ns")),
                HasSubstr("  namespace.bdev_name (string; required)\n      The device to export.\n"));
    const std::string list = method_list(all_method_help());
    for (const json& m : all_method_help())
        EXPECT_THAT(list, HasSubstr("  " + m["name"].get<std::string>() + " "));
    EXPECT_EQ(meant_method(all_method_help(), "nvmf_get_subsystem"), " (did you mean 'nvmf_get_subsystems'?)");
}

}  // namespace
}  // namespace causeway::tools
