// SPDX-License-Identifier: Apache-2.0
#include "rpc/config_replay.h"

#include "rpc/testing/rpc_fixture.h"

#include <gmock/gmock.h>

namespace causeway::rpc {
namespace {

using namespace std::chrono_literals;
using test::parsed;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* nqn_a = "nqn.2024-01.io.example:a";

config_call call_of(const char* method, json params, const char* subsystem = "nvmf") {
    return {subsystem, method, std::move(params), "here"};
}
config_call transport() {
    return call_of("nvmf_create_transport", {{"trtype", "LOOP"}});
}
config_call cluster(const std::string& name) {
    return call_of("bdev_rbd_register_cluster", {{"name", name}, {"config_param", {{"key", "AQsecret"}}}}, "bdev");
}
config_call image(const std::string& name, const std::string& cluster_name) {
    return call_of("bdev_rbd_create",
                   {{"name", name}, {"pool_name", "rbd"}, {"rbd_name", name}, {"cluster_name", cluster_name}}, "bdev");
}
config_call subsystem(const std::string& nqn) {
    return call_of("nvmf_create_subsystem", {{"nqn", nqn}, {"allow_any_host", true}});
}
config_call exported(const std::string& nqn, const std::string& bdev) {
    return call_of("nvmf_subsystem_add_ns", {{"nqn", nqn}, {"namespace", {{"bdev_name", bdev}}}});
}
config_call listener(const std::string& nqn, const std::string& at) {
    return call_of("nvmf_subsystem_add_listener",
                   {{"nqn", nqn}, {"listen_address", {{"trtype", "LOOP"}, {"traddr", at}}}});
}

/// A gateway whose clusters and images fail, or hang, by name.
class config_replay_test : public ::testing::Test {
  protected:
    config_replay_test() {
        const handler make = [this](json params) -> core::task<answer> { return make_fake(std::move(params)); };
        w.methods.add_raw({"bdev_rbd_register_cluster", states::runtime, make, {}, {}});
        w.methods.add_raw({"bdev_rbd_create", states::runtime, make, {}, {}});
        const handler fail = [](json) -> core::task<answer> {
            co_return refuse_errno(ENODEV, "there is no such RBD device");
        };
        w.methods.add_raw({"bdev_rbd_delete", states::runtime, fail, {}, {}});
        add_failed_config_methods(w.methods, w.config, replay);
        w.cycle.set_readiness([this] { return replay.check_complete(); });
        w.dispatcher.observe(&replay);
    }
    ~config_replay_test() override { replay.stop(); }

    core::task<answer> make_fake(json params) {
        const std::string name = params["name"];
        begun.push_back(name);
        if (hung.contains(name)) {
            co_await core::sleep_for(30s);
            co_return refuse_errno(ETIMEDOUT, "it does not respond", name);
        }
        co_await core::sleep_for(1ms);
        if (broken.contains(name))
            co_return refuse_errno(ENOENT, "it is not there", name);
        if (params.contains("rbd_name"))
            w.add_memory(name);
        co_return json(name);
    }

    core::result<> run(std::vector<config_call> calls,
                       config_replay::on_failure policy = config_replay::on_failure::keep_trying) {
        return w.run(replay.run(std::move(calls), policy));
    }
    /// As a client makes it.
    json client(const std::string& method, json params) {
        const json request = {{"id", 1}, {"method", method}, {"params", std::move(params)}};
        return parsed(w.run(w.dispatcher.serve(request.dump())).line);
    }
    core::ticks now() { return w.sim.group().control().time().now(); }
    std::chrono::seconds seconds_since(core::ticks begin) {
        return std::chrono::duration_cast<std::chrono::seconds>(
            w.sim.group().control().time().to_nanoseconds(now() - begin));
    }
    void pass(core::nanoseconds time) {
        w.run([](core::nanoseconds t) -> core::task<bool> {
            co_await core::sleep_for(t);
            co_return true;
        }(time));
    }
    std::vector<std::string> failed_methods() {
        std::vector<std::string> all;
        for (const auto& f : replay.failed())
            all.push_back(f.method);
        return all;
    }
    std::vector<std::string> namespaces(const std::string& nqn) {
        std::vector<std::string> all;
        const json subsystems = w.call("nvmf_get_subsystems", {{"nqn", nqn}}).value();
        for (const json& ns : subsystems[0]["namespaces"])
            all.push_back(ns["bdev_name"]);
        return all;
    }

    test::method_fixture w;
    config_replay replay{w.sim.group().control(), w.methods, w.dispatcher, w.cycle};
    std::set<std::string> broken, hung;
    std::vector<std::string> begun;
};

TEST_F(config_replay_test, settings_go_before_the_start_wherever_they_stand) {
    ASSERT_TRUE(run({transport(), call_of("nvmf_set_max_subsystems", {{"max_subsystems", 3u}})}));
    EXPECT_EQ(w.cycle.now(), rpc::state::runtime);
    EXPECT_EQ(w.nvmf.target->options().max_subsystems, 3u);
    EXPECT_EQ(w.result("nvmf_get_transports").size(), 1u);
    EXPECT_EQ(w.result("framework_wait_init"), json(true));
}

TEST_F(config_replay_test, an_empty_configuration_starts_all_the_same) {
    ASSERT_TRUE(run({}));
    EXPECT_EQ(w.cycle.now(), rpc::state::runtime);
}

TEST_F(config_replay_test, what_cannot_be_meant_ends_it_before_anything_is_done) {
    const auto settings = call_of("nvmf_set_max_subsystems", {{"max_subsystems", 3u}});
    EXPECT_EQ(run({settings, call_of("bdev_raid_create", {{"name", "posix"}})}).error().text(),
              "here: Method not found: SPDK's target has bdev_raid_create, Causeway does not");
    EXPECT_EQ(run({settings, call_of("nvmf_create_subsystem", {{"nqnn", nqn_a}})}).error().text(),
              "here: nvmf_create_subsystem: parameter 'nqnn' is unknown; did you mean 'nqn'? (code -32602)");
    EXPECT_EQ(w.cycle.now(), rpc::state::startup);
    EXPECT_EQ(w.nvmf.options.max_subsystems, nvmf::target_options().max_subsystems);
}

TEST_F(config_replay_test, states_of_a_listener_follow_the_listener_and_wait_for_nothing_else) {
    w.add_memory("disk");
    config_call reported = subsystem(nqn_a);
    reported.params["ana_reporting"] = true;
    config_call at = listener(nqn_a, "here");
    at.params["ana_state"] = "inaccessible";
    std::vector<config_call> calls = {transport(), reported, exported(nqn_a, "disk"), at};
    for (const unsigned group : {1u, 3u})
        calls.push_back(call_of("nvmf_subsystem_listener_set_ana_state",
                                {{"nqn", nqn_a},
                                 {"listen_address", {{"trtype", "LOOP"}, {"traddr", "here"}}},
                                 {"ana_state", "optimized"},
                                 {"anagrpid", group}}));
    ASSERT_TRUE(run(calls));
    EXPECT_THAT(failed_methods(), IsEmpty());
    const json listeners = w.call("nvmf_subsystem_get_listeners", {{"nqn", nqn_a}}).value();
    EXPECT_EQ(listeners[0]["ana_states"][0]["ana_state"], "optimized");
    EXPECT_EQ(listeners[0]["ana_states"][1]["ana_state"], "inaccessible");
    EXPECT_EQ(listeners[0]["ana_states"][2]["ana_state"], "optimized");
}

TEST_F(config_replay_test, one_missing_image_keeps_nothing_else_down) {
    broken = {"missing"};
    ASSERT_TRUE(run({cluster("ceph"), image("missing", "ceph"), image("good", "ceph"), transport(), subsystem(nqn_a),
                     exported(nqn_a, "missing"), exported(nqn_a, "good"), listener(nqn_a, "here")}));
    EXPECT_THAT(namespaces(nqn_a), ElementsAre("good"));
    EXPECT_EQ(w.call("nvmf_subsystem_get_listeners", {{"nqn", nqn_a}})->size(), 1u);

    EXPECT_THAT(failed_methods(), ElementsAre("bdev_rbd_create", "nvmf_subsystem_add_ns"));
    const json listed = w.result("framework_get_failed_config");
    EXPECT_EQ(listed[0]["code"], -ENOENT);
    EXPECT_THAT(listed[0]["message"], HasSubstr("it is not there"));
    EXPECT_THAT(listed[1]["message"], HasSubstr("waits for a call that failed: here: bdev_rbd_create"));
    EXPECT_THAT(w.call("framework_wait_init").error().message, HasSubstr("2 of 8 calls of the configuration"));

    broken.clear();
    pass(61s);
    EXPECT_THAT(namespaces(nqn_a), ElementsAre("good", "missing")) << "its namespace follows the image";
    EXPECT_THAT(failed_methods(), IsEmpty());
    EXPECT_EQ(w.result("framework_wait_init"), json(true));
}

TEST_F(config_replay_test, a_hung_cluster_is_waited_for_once_and_by_nobody_else) {
    std::vector<config_call> calls = {transport(), cluster("hung"), cluster("alive"), subsystem(nqn_a)};
    for (int i = 0; i < 100; ++i) {
        const std::string name = "lost" + std::to_string(i);
        calls.push_back(image(name, "hung"));
        hung.insert(name);
    }
    calls.push_back(image("good", "alive"));
    calls.push_back(exported(nqn_a, "good"));
    calls.push_back(listener(nqn_a, "here"));
    const core::ticks begin = now();
    std::optional<core::result<>> ended;
    w.sim.group().control().execute([&] {
        core::detach(replay.run(std::move(calls), config_replay::on_failure::keep_trying),
                     [&](core::result<> r) { ended = std::move(r); });
    });
    ASSERT_TRUE(
        w.sim.run_until([&] { return w.fabric && !w.nvmf.target->subsystems().back()->listeners().all().empty(); }));
    EXPECT_LT(seconds_since(begin), 5s) << "a subsystem of another cluster does not wait";
    EXPECT_FALSE(ended);
    ASSERT_TRUE(w.sim.run_until([&] { return ended.has_value(); }));
    EXPECT_LT(seconds_since(begin), 35s) << "100 images are not waited for one after the other";
    EXPECT_EQ(replay.failed().size(), 100u);

    begun.clear();
    pass(25s);
    EXPECT_EQ(begun.size(), 1u) << "one finds out whether the cluster answers again";
    hung.clear();
    pass(61s);
    EXPECT_THAT(failed_methods(), IsEmpty()) << "and then all come";
}

TEST_F(config_replay_test, a_failing_call_is_tried_with_a_bounded_backoff) {
    broken = {"ceph"};
    ASSERT_TRUE(run({cluster("ceph")}));
    begun.clear();
    pass(600s);
    EXPECT_GE(begun.size(), 10u);
    EXPECT_LE(begun.size(), 16u);
    EXPECT_LE(replay.failed()[0].next_attempt.value(), 60s);
    w.result("framework_retry_failed_config");
    pass(1s);
    broken.clear();
    w.result("framework_retry_failed_config", R"({"id": 1})");
    pass(1s);
    EXPECT_THAT(failed_methods(), IsEmpty());
    EXPECT_EQ(w.call("framework_retry_failed_config", R"({"id": 1})").error().code, -ENOENT);
}

TEST_F(config_replay_test, the_strict_way_ends_at_the_first_that_fails) {
    broken = {"missing"};
    const auto r = run({image("missing", "ceph"), subsystem(nqn_a)}, config_replay::on_failure::end);
    ASSERT_FALSE(r);
    EXPECT_THAT(r.error().text(), HasSubstr("here: bdev_rbd_create: No such file or directory: missing"));
}

TEST_F(config_replay_test, what_has_failed_is_saved_and_its_secrets_are_not) {
    broken = {"ceph"};
    ASSERT_TRUE(run({cluster("ceph"), image("i", "ceph"), subsystem(nqn_a), exported(nqn_a, "i")}));
    const json bdev = w.result("framework_get_config", R"({"name": "bdev"})");
    ASSERT_EQ(bdev.size(), 2u);
    EXPECT_EQ(bdev[0]["method"], "bdev_rbd_register_cluster");
    EXPECT_EQ(bdev[1]["params"], image("i", "ceph").params);
    EXPECT_THAT(bdev.dump(), Not(HasSubstr("AQsecret")));
    EXPECT_THAT(w.result("framework_get_failed_config").dump(), Not(HasSubstr("AQsecret")));
    const json nvmf = w.result("framework_get_config", R"({"name": "nvmf"})");
    EXPECT_EQ(nvmf.back()["method"], "nvmf_subsystem_add_ns");
}

TEST_F(config_replay_test, what_an_operator_has_made_is_not_made_again) {
    broken = {"ceph"};
    ASSERT_TRUE(run({cluster("ceph"), image("i", "ceph"), subsystem(nqn_a), exported(nqn_a, "i")}));
    EXPECT_EQ(failed_methods().size(), 3u);
    broken.clear();
    EXPECT_EQ(client("bdev_rbd_register_cluster", {{"name", "ceph"}})["result"], "ceph");
    pass(1s);
    EXPECT_THAT(failed_methods(), IsEmpty()) << "the image and its namespace have followed";
    EXPECT_THAT(namespaces(nqn_a), ElementsAre("i"));
    EXPECT_EQ(std::ranges::count(begun, "ceph"), 2);
}

TEST_F(config_replay_test, what_an_operator_removes_does_not_come_back) {
    broken = {"i", "j"};
    ASSERT_TRUE(
        run({image("i", "ceph"), image("j", "ceph"), subsystem(nqn_a), exported(nqn_a, "i"), exported(nqn_a, "j")}));
    EXPECT_EQ(client("bdev_rbd_delete", {{"name", "i"}})["result"], json(true)) << "it was only going to be";
    EXPECT_THAT(failed_methods(), ElementsAre("bdev_rbd_create", "nvmf_subsystem_add_ns"));
    EXPECT_TRUE(client("bdev_rbd_delete", {{"name", "i"}}).contains("error"));

    EXPECT_EQ(client("nvmf_delete_subsystem", {{"nqn", nqn_a}})["result"], json(true));
    EXPECT_EQ(client("nvmf_create_subsystem", {{"nqn", nqn_a}})["result"], json(true));
    broken.clear();
    pass(61s);
    EXPECT_THAT(failed_methods(), IsEmpty());
    EXPECT_THAT(namespaces(nqn_a), IsEmpty()) << "a subsystem of the same name is another one";
}

TEST_F(config_replay_test, a_failed_call_can_be_forgotten) {
    broken = {"i"};
    ASSERT_TRUE(run({image("i", "ceph"), subsystem(nqn_a), exported(nqn_a, "i")}));
    w.result("framework_forget_failed_config", R"({"id": 3})");
    w.result("framework_forget_failed_config", R"({"id": 1})");
    EXPECT_EQ(w.call("framework_forget_failed_config", R"({"id": 1})").error().code, -ENOENT);
    EXPECT_EQ(w.result("framework_get_config", R"({"name": "bdev"})"), json::array());
    EXPECT_TRUE(replay.check_complete());
}

TEST_F(config_replay_test, after_the_end_nothing_is_begun) {
    broken = {"ceph"};
    ASSERT_TRUE(run({cluster("ceph")}));
    replay.stop();
    begun.clear();
    pass(300s);
    EXPECT_THAT(begun, IsEmpty());
    EXPECT_FALSE(replay.check_complete());
}

}  // namespace
}  // namespace causeway::rpc
