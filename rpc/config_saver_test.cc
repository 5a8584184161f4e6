// SPDX-License-Identifier: Apache-2.0
#include "rpc/config_saver.h"

#include "rpc/testing/rpc_fixture.h"

#include <gmock/gmock.h>

namespace causeway::rpc {
namespace {

using namespace std::chrono_literals;
using test::parsed;
using ::testing::HasSubstr;

/// A gateway that stores its configuration in memory, in a store that can fail.
class config_saver_test : public ::testing::Test {
  protected:
    config_saver_test() {
        w.start();
        w.result("nvmf_create_transport", R"({"trtype": "LOOP"})");
        w.dispatcher.save_with(saver);
    }
    ~config_saver_test() override { stop(); }

    core::result<> put(const std::string& text) {
        ++writes;
        if (broken)
            return core::fail(ENOSPC, "no space is left", "there");
        stored = text;
        return {};
    }
    void begin() {
        w.sim.group().control().execute([this] { saver.begin(); });
    }
    void stop() {
        w.run([](config_saver& s) -> core::task<bool> {
            co_await s.stop(1s);
            co_return true;
        }(saver));
    }
    static std::string create(int i) {
        return json{{"id", i},
                    {"method", "nvmf_create_subsystem"},
                    {"params", {{"nqn", "nqn.2024-01.io.example:" + std::to_string(i)}}}}
            .dump();
    }
    /// As a client makes it.
    json client(std::string request) { return parsed(w.run(w.dispatcher.serve(std::move(request))).line); }
    /// What a restart would make.
    json stored_config() { return parsed(stored); }
    bool is_stored(int i) const {
        return stored.find("nqn.2024-01.io.example:" + std::to_string(i)) != std::string::npos;
    }

    test::method_fixture w;
    std::string stored;
    unsigned writes = 0;
    bool broken = false;
    config_saver saver{w.sim.group(), w.config, [this](const std::string& text) { return put(text); }};
};

TEST_F(config_saver_test, a_change_is_stored_before_its_client_hears_of_it) {
    begin();
    for (int i = 10; i < 20; ++i) {
        EXPECT_EQ(client(create(i))["result"], json(true));
        EXPECT_TRUE(is_stored(i)) << i;
    }
    json now = json::array();
    for (const json& s : w.result("framework_get_subsystems"))
        now.push_back({{"subsystem", s["subsystem"]},
                       {"config", w.call("framework_get_config", {{"name", s["subsystem"]}}).value()}});
    EXPECT_EQ(stored_config(), json({{"subsystems", now}}));
}

TEST_F(config_saver_test, what_changes_nothing_is_not_written_again) {
    begin();
    client(create(1));
    const unsigned before = writes;
    client(R"({"id": 1, "method": "nvmf_get_subsystems"})");
    client(R"({"id": 1, "method": "log_set_flag", "params": {"flag": "nvmf"}})");
    client(R"({"id": 1, "method": "log_clear_flag", "params": {"flag": "nvmf"}})");
    client(create(1));  // refused: it exists
    EXPECT_EQ(writes, before);
}

TEST_F(config_saver_test, changes_that_come_together_are_written_together) {
    begin();
    std::string batch = "[";
    for (int i = 100; i < 200; ++i)
        batch += create(i) + (i == 199 ? "]" : ",");
    const json answers = client(batch);
    ASSERT_EQ(answers.size(), 100u);
    for (int i = 100; i < 200; ++i) {
        EXPECT_TRUE(answers[static_cast<std::size_t>(i - 100)].contains("result"));
        EXPECT_TRUE(is_stored(i)) << i;
    }
    EXPECT_LE(writes, 4u);
}

TEST_F(config_saver_test, a_change_that_cannot_be_stored_is_not_answered_with_success_and_stored_later) {
    begin();
    client(create(1));
    broken = true;
    const json refused = client(create(2));
    EXPECT_EQ(refused["error"]["code"], -ENOSPC);
    EXPECT_THAT(refused["error"]["message"].get<std::string>(),
                HasSubstr("it is done, but not stored, and would be lost at a restart: there: no space is left"));
    EXPECT_FALSE(saver.check_stored());
    EXPECT_FALSE(is_stored(2));
    broken = false;
    EXPECT_TRUE(w.sim.run_until([&] { return is_stored(2) && saver.check_stored(); }));
}

TEST_F(config_saver_test, before_all_of_the_configuration_is_known_nothing_is_stored) {
    stored = "the whole";
    std::optional<json> answered;
    w.sim.group().control().execute(
        [&] { core::detach(w.dispatcher.serve(create(1)), [&](dispatcher::reply r) { answered = parsed(r.line); }); });
    w.sim.run_for(10s);
    EXPECT_FALSE(answered);
    EXPECT_EQ(stored, "the whole");
    begin();
    EXPECT_TRUE(w.sim.run_until([&] { return answered.has_value(); }));
    EXPECT_EQ((*answered)["result"], json(true));
    EXPECT_TRUE(is_stored(1));
}

TEST_F(config_saver_test, after_the_end_has_begun_nothing_is_stored_and_nobody_waits) {
    begin();
    client(create(1));
    stop();
    const unsigned before = writes;
    EXPECT_EQ(client(create(2))["error"]["code"], -ECANCELED);
    EXPECT_EQ(writes, before);
}

}  // namespace
}  // namespace causeway::rpc
