// SPDX-License-Identifier: Apache-2.0
#include "gateway/options.h"

#include <gtest/gtest.h>
#include <set>

namespace causeway::gateway {
namespace {

tl::expected<options, early_exit> parse(std::vector<const char*> words) {
    words.insert(words.begin(), "causewayd");
    return parse_options(static_cast<int>(words.size()), words.data());
}

TEST(options, have_their_defaults) {
    const auto o = parse({});
    ASSERT_TRUE(o);
    EXPECT_EQ(o->rpc_socket, "/var/tmp/spdk.sock");
    EXPECT_EQ(o->busy_poll_us, 50u);
    EXPECT_EQ(o->placement, core::placement_policy::round_robin);
    EXPECT_FALSE(o->never_sleep);
    EXPECT_FALSE(o->wait_for_rpc);
    EXPECT_FALSE(o->no_pci);
    EXPECT_TRUE(o->environment.core_mask.empty());
}

TEST(options, are_those_of_the_command_line) {
    const auto o = parse({"-m", "[0,2-3]", "-r", "/run/cw.sock", "-u", "-s", "512", "-c", "a.json", "-L", "rdma", "-L",
                          "nvmf", "--no-huge", "--poll", "--busy-poll-us", "200", "--placement", "least_loaded"});
    ASSERT_TRUE(o) << o.error().text;
    EXPECT_EQ(o->environment.core_mask, "[0,2-3]");
    EXPECT_EQ(o->environment.memory_mb, 512u);
    EXPECT_TRUE(o->environment.no_huge);
    EXPECT_EQ(o->rpc_socket, "/run/cw.sock");
    EXPECT_EQ(o->config_file, "a.json");
    EXPECT_EQ(o->log_flags, (std::vector<std::string>{"rdma", "nvmf"}));
    EXPECT_TRUE(o->never_sleep);
    EXPECT_TRUE(o->no_pci);
    EXPECT_EQ(o->busy_poll_us, 200u);
    EXPECT_EQ(o->placement, core::placement_policy::least_loaded);
    EXPECT_EQ(parse({"--json", "b.json"})->config_file, "b.json");
    EXPECT_EQ(parse({"--lcores", "0@4"})->environment.lcores, "0@4");
    EXPECT_TRUE(parse({"--wait-for-rpc"})->wait_for_rpc);
    EXPECT_EQ(parse({})->log_format, core::log::format::text);
    EXPECT_EQ(parse({"--log-format", "json"})->log_format, core::log::format::json);
}

TEST(options, of_spdks_target_that_change_nothing_are_taken_and_listed) {
    const auto o = parse({"-i", "0", "-e", "0xff", "--msg-mempool-size=262143", "--iova-mode", "va", "--env-context",
                          "--no-huge -m 1024 --legacy-mem", "--json-ignore-init-errors", "-m", "0x3"});
    ASSERT_TRUE(o) << o.error().text;
    EXPECT_TRUE(o->environment.no_huge);
    EXPECT_EQ(o->environment.memory_mb, 1024u);
    EXPECT_EQ(o->environment.core_mask, "0x3");
    EXPECT_EQ(std::multiset<std::string>(o->without_effect.begin(), o->without_effect.end()),
              (std::multiset<std::string>{"--shm-id", "--tpoint-group", "--msg-mempool-size", "--iova-mode",
                                          "--env-context --legacy-mem", "--json-ignore-init-errors"}));
    EXPECT_EQ(parse({"--env-context", "-m512"})->environment.memory_mb, 512u);
}

TEST(options, fenced_images_come_back_unless_the_operator_says_otherwise) {
    EXPECT_FALSE(parse({})->fenced_images_stay_offline);
    EXPECT_FALSE(parse({"--on-fenced", "reconnect"})->fenced_images_stay_offline);
    EXPECT_TRUE(parse({"--on-fenced", "offline"})->fenced_images_stay_offline);
    EXPECT_FALSE(parse({"--on-fenced", "later"}));
}

TEST(options, tcp_listeners_are_mirrored_at_their_own_port_or_at_one_for_all) {
    EXPECT_EQ(parse({})->mirror_port, std::nullopt);
    EXPECT_EQ(parse({"--mirror-listeners", "rdma"})->mirror_port, "");
    EXPECT_EQ(parse({"--mirror-listeners=rdma:4430"})->mirror_port, "4430");
    for (const char* wrong : {"tcp", "rdma:", "rdma:0", "rdma:65536", "rdma:44x", "rdma:04420", "rdma:-1", ""})
        EXPECT_FALSE(parse({"--mirror-listeners", wrong})) << wrong;
}

struct row {
    const char* sentence;
    std::vector<const char*> words;
    const char* names;  // what the message must name
};
const row refusals[] = {
    {"an unknown option", {"--colour"}, "--colour"},
    {"a word too many", {"start"}, "start"},
    {"an option without its value", {"-m"}, "cpumask"},
    {"both ways to name cores", {"-m", "0x1", "--lcores", "0@0"}, "lcores"},
    {"memory that is no number", {"-s", "much"}, "mem-size"},
    {"hardly any memory", {"-s", "1"}, "mem-size"},
    {"an unknown placement", {"--placement", "random"}, "placement"},
    {"an unknown format of the log", {"--log-format", "xml"}, "log-format"},
    {"a negative time", {"--busy-poll-us", "-5"}, "busy-poll-us"},
    {"a strict configuration that is none", {"--strict-config=maybe"}, "strict-config"},
    {"memory of DPDK's that is no number", {"--env-context", "-m much"}, "env-context"},
    {"methods that alone are allowed: they would not be", {"--rpcs-allowed", "a"}, "rpcs-allowed"},
    {"a file and no use for it yet", {"--wait-for-rpc", "-c", "a.json"}, "wait-for-rpc"},
};

TEST(options, are_refused_in_one_line_that_names_the_culprit) {
    for (const auto& r : refusals) {
        const auto o = parse(r.words);
        ASSERT_FALSE(o) << r.sentence;
        EXPECT_EQ(o.error().exit_code, 2) << r.sentence;
        EXPECT_NE(o.error().text.find(r.names), std::string::npos) << r.sentence << ": " << o.error().text;
        EXPECT_EQ(o.error().text.find('\n'), std::string::npos) << r.sentence << ": " << o.error().text;
    }
}

TEST(options, questions_are_answered) {
    const auto help = parse({"--help"});
    ASSERT_FALSE(help);
    EXPECT_EQ(help.error().exit_code, 0);
    EXPECT_NE(help.error().text.find("--placement"), std::string::npos);
    const auto version = parse({"--version"});
    ASSERT_FALSE(version);
    EXPECT_EQ(version.error().exit_code, 0);
    EXPECT_EQ(version.error().text.substr(0, 10), "causewayd ");
}

}  // namespace
}  // namespace causeway::gateway
