// SPDX-License-Identifier: Apache-2.0
#include "core/log.h"

#include "core/testing/printed_log.h"
#include "core/testing/unread_stderr.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <gtest/gtest.h>
#include <regex>
#include <thread>
#include <vector>

namespace causeway::core::log {
namespace {

flag test_flag("log_test");
flag other_flag("log_test_other");

using test::printed;

struct log_test : ::testing::Test {
    log_test() { set_timestamps(false); }
    ~log_test() override {
        set_level(level::notice);
        set_print_level(level::notice);
        flag::set("all", false);
        set_timestamps(true);
    }
};

TEST_F(log_test, a_line_is_time_level_and_text) {
    set_timestamps(true);
    const auto line = printed([] { notice("disk {} on core {}", "rbd/vm-17", 3); });
    const std::regex format(R"(\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\] NOTICE: disk rbd/vm-17 on core 3\n)");
    EXPECT_TRUE(std::regex_match(line, format)) << line;
}

TEST_F(log_test, the_time_can_be_left_to_the_journal) {
    EXPECT_EQ(printed([] { error("gone"); }), "ERROR: gone\n");
}

TEST_F(log_test, both_levels_must_permit_a_line) {
    const auto all = [] {
        error("e");
        warning("w");
        notice("n");
        info("i");
    };
    EXPECT_EQ(printed(all), "ERROR: e\nWARNING: w\nNOTICE: n\n");
    set_level(level::info);
    EXPECT_EQ(printed(all), "ERROR: e\nWARNING: w\nNOTICE: n\n");
    set_print_level(level::info);
    EXPECT_EQ(printed(all), "ERROR: e\nWARNING: w\nNOTICE: n\nINFO: i\n");
    set_level(level::error);
    EXPECT_EQ(printed(all), "ERROR: e\n");
    set_level(level::debug);
    set_print_level(level::warning);
    EXPECT_EQ(printed(all), "ERROR: e\nWARNING: w\n");
}

TEST_F(log_test, flags_are_switched_by_name_or_all_at_once) {
    EXPECT_FALSE(test_flag.on());
    EXPECT_TRUE(flag::set("log_test", true));
    EXPECT_TRUE(test_flag.on() && !other_flag.on());
    EXPECT_TRUE(flag::set("all", true));
    EXPECT_TRUE(test_flag.on() && other_flag.on());
    EXPECT_TRUE(flag::set("log_test", false));
    EXPECT_TRUE(!test_flag.on() && other_flag.on());
    EXPECT_FALSE(flag::set("no_such_flag", true));
}

TEST_F(log_test, levels_have_names_in_any_case) {
    for (const auto l : {level::error, level::warning, level::notice, level::info, level::debug})
        EXPECT_EQ(level_from(to_string(l)), l);
    EXPECT_EQ(level_from("Warning"), level::warning);
    EXPECT_EQ(level_from("DISABLED"), std::nullopt);
    EXPECT_EQ(level_from("INF"), std::nullopt);
    EXPECT_EQ(level_from(""), std::nullopt);
}

TEST_F(log_test, names_chosen_by_peers_cannot_forge_lines) {
    EXPECT_EQ(printed([] { notice("host {}", "nqn\n[now] ERROR: forged\x1b[2J\x7f"); }),
              "NOTICE: host nqn\\x0a[now] ERROR: forged\\x1b[2J\\x7f\n");
    EXPECT_EQ(printed([] { notice("{{}} {}", "{} grüße"); }), "NOTICE: {} {} grüße\n");
}

TEST_F(log_test, is_written_by_nobody_who_must_not_wait_for_its_reader) {
    test::unread_stderr err;
    error("the first");
    const std::string text(4000, 'x');
    unsigned written = 1;
    for (std::size_t bytes = 0; bytes < 2 * max_pending_bytes; bytes += text.size(), ++written)
        warning("{}", text);  // returns, or this test never ends
    const std::string said = err.read();
    EXPECT_TRUE(said.starts_with("ERROR: the first\n"));
    const std::regex told("WARNING: log: (\\d+) messages were lost, because the log was not read\n");
    auto lines = static_cast<unsigned>(std::count(said.begin(), said.end(), '\n'));
    unsigned lost = 0;
    for (std::sregex_iterator each(said.begin(), said.end(), told), end; each != end; ++each) {
        lost += static_cast<unsigned>(std::stoul((*each)[1]));
        --lines;
    }
    EXPECT_GT(lost, 0u);
    EXPECT_EQ(lines + lost, written) << "each line is there, or counted";
}

/// As a process that ends with an error: what it says last is read.
TEST_F(log_test, is_complete_when_the_process_ends) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");  // a process of its own, with the thread that writes
    EXPECT_EXIT(
        {
            for (int i = 0; i < 1000; ++i)
                error("line {}", i);
            std::exit(1);
        },
        ::testing::ExitedWithCode(1), "ERROR: line 999\n");
}

TEST_F(log_test, a_peer_cannot_flood_the_log) {
    limiter l;
    std::atomic<unsigned> passed{0};
    std::atomic<std::uint64_t> said{0};
    std::vector<std::thread> threads;
    constexpr unsigned each = 20'000;
    const auto begin = std::chrono::steady_clock::now();
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (unsigned i = 0; i < each; ++i) {
                std::uint64_t held_back = 0;
                if (l.pass(held_back)) {
                    ++passed;
                    said += held_back;
                }
            }
        });
    }
    for (auto& t : threads)
        t.join();
    const auto windows = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - begin);
    EXPECT_GE(passed, 10u);
    EXPECT_LE(passed, 10u * (2 + static_cast<unsigned>(windows.count())));

    // Nothing is forgotten: the next one that passes says what has been held back until then.
    std::uint64_t more = 0;
    std::uint64_t held_back = 0;
    for (; !l.pass(held_back); ++more)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_EQ(passed + said + held_back, 4u * each + more);
}

std::time_t now_in_seconds() {
    timespec t;
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return t.tv_sec;
}

TEST_F(log_test, suppressed_lines_are_counted_in_the_log) {
    limiter l;
    std::string burst;
    std::time_t begin;
    do {  // until it fits into one second of the limiter's
        begin = now_in_seconds();
        burst = printed([&] {
            for (int i = 0; i < 100; ++i)
                peer_warning(l, "bad capsule {}", i);
        });
    } while (now_in_seconds() != begin || !burst.starts_with("WARNING"));
    EXPECT_EQ(std::count(burst.begin(), burst.end(), '\n'), 10);
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    const auto next = printed([&] { peer_warning(l, "bad capsule"); });
    EXPECT_TRUE(next.starts_with("WARNING: bad capsule (")) << next;
    EXPECT_TRUE(next.ends_with(" similar messages held back)\n")) << next;
}

}  // namespace
}  // namespace causeway::core::log
