// SPDX-License-Identifier: Apache-2.0
#include "rpc/testing/rpc_fixture.h"

#include "core/trace.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <unistd.h>

namespace causeway::rpc {
namespace {

using test::method_fixture;
using test::parsed;
using ::testing::Contains;
using ::testing::Not;

class framework_methods : public ::testing::Test {
  protected:
    method_fixture w;
};

TEST_F(framework_methods, lists_all_methods_or_those_of_the_moment) {
    const json all = w.result("rpc_get_methods");
    EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
    EXPECT_THAT(all, Contains("nvmf_create_subsystem"));
    EXPECT_THAT(w.result("rpc_get_methods", R"({"current": true})"), Contains("framework_start_init"));
    EXPECT_THAT(w.result("rpc_get_methods", R"({"current": true})"), Not(Contains("nvmf_create_subsystem")));
    w.start();
    EXPECT_THAT(w.result("rpc_get_methods", R"({"current": true})"), Not(Contains("framework_start_init")));
    EXPECT_THAT(w.result("rpc_get_methods", R"({"current": true})"), Contains("nvmf_create_subsystem"));
}

TEST_F(framework_methods, describes_all_methods_or_one) {
    const json all = w.result("rpc_get_method_help");
    EXPECT_EQ(all.size(), w.methods.all().size());
    const json one = w.result("rpc_get_method_help", R"({"name": "nvmf_subsystem_add_ns"})");
    ASSERT_EQ(one.size(), 1u);
    EXPECT_THAT(all, Contains(one[0]));
    EXPECT_EQ(one[0]["group"], "nvmf");
    EXPECT_EQ(one[0]["state"], "runtime");
    EXPECT_EQ(one[0]["result"], "the number of the namespace");
    EXPECT_EQ(one[0]["parameters"][1]["name"], "namespace");
    EXPECT_EQ(one[0]["parameters"][1]["members"][0],
              parsed(R"({"name": "bdev_name", "type": "string", "description": "string", "required": true,
                         "meaning": "The device to export."})"));
    EXPECT_EQ(one[0]["errors"][0]["code"], error_code::parameters);
    EXPECT_EQ(w.call("rpc_get_method_help", R"({"name": "nvmf_subsystem_add_nss"})").error().message,
              "Method not found: did you mean nvmf_subsystem_add_ns?");
}

TEST_F(framework_methods, a_method_that_is_not_there_is_spdks_or_a_near_ones_or_nobodys) {
    const auto refusal = [&](const char* name) {
        const answer a = w.call(name);
        EXPECT_EQ(a.error().code, error_code::method_not_found);
        return a.error().message;
    };
    EXPECT_EQ(refusal("spdk_get_versio"), "Method not found: did you mean spdk_get_version?");
    EXPECT_EQ(refusal("bdev_raid_create"), "Method not found: SPDK's target has bdev_raid_create, Causeway does not");
    EXPECT_EQ(refusal("help"), "Method not found: rpc_get_methods lists them");
}

TEST_F(framework_methods, waiting_ends_when_all_is_ready) {
    w.cycle.hold();
    bool waited = false;
    w.sim[0].execute([&] {
        core::detach(w.dispatcher.call("framework_wait_init", nullptr), [&](const answer& a) {
            EXPECT_TRUE(a);
            waited = true;
        });
    });
    w.start();
    w.sim.run_until_idle();
    EXPECT_FALSE(waited) << "a configuration is being replayed";
    w.cycle.release();
    w.sim.run_until_idle();
    EXPECT_TRUE(waited);
    EXPECT_EQ(w.result("framework_wait_init"), json(true)) << "at once from now on";
}

TEST_F(framework_methods, whoever_waits_for_what_will_not_come_hears_of_it) {
    answer a;
    w.sim[0].execute([&] {
        core::detach(w.dispatcher.call("framework_wait_init", nullptr), [&](answer got) { a = std::move(got); });
    });
    w.sim.run_until_idle();
    w.cycle.abandon();
    w.sim.run_until_idle();
    ASSERT_FALSE(a);
    EXPECT_EQ(a.error().code, -ECANCELED);
}

TEST_F(framework_methods, subsystems_and_their_configuration) {
    w.start();
    const json all = w.result("framework_get_subsystems");
    EXPECT_EQ(all.back(), parsed(R"({"subsystem": "nvmf", "depends_on": ["bdev", "keyring", "sock"]})"));
    for (const char* looked_for : {"accel", "iobuf", "sock", "scheduler", "bdev", "keyring"})
        EXPECT_THAT(all, Contains(::testing::ResultOf([](const json& s) { return s["subsystem"]; }, json(looked_for))));
    EXPECT_EQ(w.result("framework_get_config", R"({"name": "iobuf"})"), json(nullptr)) << "there is nothing to save";
    EXPECT_EQ(w.result("framework_get_config", R"({"name": "bdev"})"), json(nullptr)) << "nobody writes it here";
    EXPECT_EQ(w.result("framework_get_config", R"({"name": "nvmf"})"), json::array());
    EXPECT_EQ(w.call("framework_get_config", R"({"name": "vhost"})").error().code, -32602);
}

TEST_F(framework_methods, reactors_are_shown_as_threads) {
    w.start();
    w.add_memory("Malloc0");
    const json reactors = w.result("framework_get_reactors");
    EXPECT_EQ(reactors["tick_rate"], 1'000'000'000);
    EXPECT_EQ(reactors["pid"], ::getpid());
    ASSERT_EQ(reactors["reactors"].size(), 2u);
    const json& second = reactors["reactors"][1];
    for (const char* key : {"lcore", "numa_id", "tid", "busy", "idle", "in_interrupt", "irq", "sys", "usr"})
        EXPECT_TRUE(second.contains(key)) << key;
    EXPECT_EQ(second["lw_threads"][0]["name"], "nvmf_tgt_poll_group_001");
    EXPECT_EQ(second["lw_threads"][0]["id"], 2);

    const json stats = w.result("thread_get_stats");
    ASSERT_EQ(stats["threads"].size(), 2u);
    EXPECT_EQ(stats["threads"][1]["id"], 2) << "the same number everywhere";
    EXPECT_EQ(stats["threads"][1]["name"], "nvmf_tgt_poll_group_001") << "exporters look for \"poll\"";
    EXPECT_EQ(stats["threads"][0]["cpumask"], "1");
    const json pollers = w.result("thread_get_pollers");
    EXPECT_EQ(pollers["threads"][0]["active_pollers"].size(), stats["threads"][0]["active_pollers_count"]);
    const json channels = w.result("thread_get_io_channels");
    EXPECT_EQ(channels["threads"][0]["io_channels"], json::array()) << "it lives on the other core";
    EXPECT_EQ(channels["threads"][1]["io_channels"], parsed(R"([{"name": "Malloc0", "ref": 0}])"));
}

TEST_F(framework_methods, log_levels_and_flags) {
    static core::log::flag flag("rpc_test");
    const json level = w.result("log_get_level");
    EXPECT_EQ(w.result("log_get_print_level"), "INFO") << "as of SPDK's target";
    EXPECT_EQ(w.result("log_set_level", R"({"level": "DEBUG"})"), json(true));
    EXPECT_EQ(w.result("log_get_level"), "DEBUG");
    EXPECT_EQ(w.result("log_set_level", json{{"level", level}}.dump().c_str()), json(true));
    EXPECT_EQ(w.call("log_set_level", R"({"level": "LOUD"})").error().code, -32602);
    EXPECT_EQ(w.result("log_get_flags")["rpc_test"], false);
    EXPECT_EQ(w.result("log_set_flag", R"({"flag": "rpc_test"})"), json(true));
    EXPECT_TRUE(flag.on());
    EXPECT_EQ(w.result("log_clear_flag", R"({"flag": "rpc_test"})"), json(true));
    EXPECT_FALSE(flag.on());
    for (const char* method : {"log_set_flag", "log_clear_flag"})
        EXPECT_EQ(w.call(method, R"({"flag": "nothing"})").error().message,
                  "no such log flag: nothing: use one of all, " + core::trace::flag_names());
    const json flags = w.result("log_get_flags");
    for (const char* name : {"nvmf", "requests", "bdev_rbd"})
        EXPECT_EQ(flags[name], false) << name;
    EXPECT_EQ(flags["virtio"], false);
    EXPECT_EQ(w.result("log_set_flag", R"({"flag": "virtio"})"), json(true)) << "nothing is there to be traced";
    EXPECT_EQ(w.result("log_get_flags")["virtio"], true);
    EXPECT_EQ(w.result("log_clear_flag", R"({"flag": "virtio"})"), json(true));
    EXPECT_NE(core::trace::flag_names().find("bdev_rbd, nvmf, requests, rpc_test"), std::string::npos);
}

TEST_F(framework_methods, the_version_in_words_and_numbers) {
    const json v = w.result("spdk_get_version");
    EXPECT_EQ(v["version"].get<std::string>().substr(0, 10), "Causeway v");
    EXPECT_TRUE(v["fields"]["major"].is_number());
    EXPECT_EQ(w.call("spdk_get_version", "{}").error().code, -32602);
}

TEST_F(framework_methods, signals_have_their_names) {
    w.start();
    EXPECT_EQ(w.call("spdk_kill_instance", R"({"sig_name": "SIGSTOP"})").error().code, -32602);
    EXPECT_EQ(w.call("spdk_kill_instance", R"({"sig_name": 15})").error().code, -32602);
}

TEST(saved_config, writers_come_by_phase) {
    saved_config c;
    c.add_subsystem("x", {});
    EXPECT_EQ(c.of("x"), json(nullptr));
    EXPECT_EQ(c.of("y"), std::nullopt);
    const auto write = [](const char* name) {
        return [name](json& calls) { calls.push_back(saved_config::call(name, json::object())); };
    };
    c.add_writer("x", config_phase::policies, write("last"));
    c.add_writer("x", config_phase::objects, write("second"));
    c.add_writer("x", config_phase::settings, write("first"));
    c.add_writer("x", config_phase::objects, write("third"));
    std::vector<std::string> names;
    const json calls = c.of("x").value();
    for (const json& call : calls)
        names.push_back(call["method"]);
    EXPECT_EQ(names, (std::vector<std::string>{"first", "second", "third", "last"}));
}

}  // namespace
}  // namespace causeway::rpc
