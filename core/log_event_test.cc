// SPDX-License-Identifier: Apache-2.0
#include "core/log_event.h"

#include "core/log_writer.h"
#include "core/testing/printed_log.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <gtest/gtest.h>
#include <regex>
#include <string>

namespace causeway::core::log {
namespace {

using namespace std::chrono_literals;
using test::printed;

constexpr std::chrono::system_clock::time_point at{1'767'225'600'000'042us};  // 2026-01-01, and 42 us

struct log_event : ::testing::Test {
    log_event() { set_timestamps(false); }
    ~log_event() override {
        set_format(format::text);
        set_level(level::notice);
        set_timestamps(true);
    }
};

TEST_F(log_event, has_an_id_by_which_it_is_found_in_the_documents) {
    for (const event_info& e : events()) {
        EXPECT_TRUE(std::regex_match(std::string(e.id), std::regex("CW[1-5][0-9]{2}"))) << e.id;
        EXPECT_EQ(&info_of(e.which), &e);
        EXPECT_TRUE(e.meaning.ends_with('.') && e.cure.ends_with('.')) << e.id;
        EXPECT_LE(e.severity, level::warning) << e.id << ": what an operator acts on is logged by default";
    }
}

TEST_F(log_event, is_a_line_of_text_with_its_id_at_the_end) {
    EXPECT_EQ(printed([] {
                  report(event::state_not_stored, {{"folder", "/x"}}, "not stored: {}", "full");
              }),
              "ERROR: not stored: full [CW302]\n");
}

TEST_F(log_event, is_an_object_of_json_with_its_fields) {
    set_format(format::json);
    const auto line = printed([] {
        report(event::image_lost, {{"device", "a\"b\\c"}, {"error", -2}}, "{}: gone\nagain", "vm17");
    });
    const std::regex time(R"("time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")");
    EXPECT_EQ(std::regex_replace(line, time, "T"),
              R"({T,"level":"WARNING","component":"bdev_rbd","id":"CW201","message":"vm17: gone\\x0aagain",)"
              R"("fields":{"device":"a\"b\\c","error":-2}})"
              "\n");
}

TEST_F(log_event, has_the_time_in_utc_to_the_microsecond) {
    EXPECT_EQ(
        to_json(at, {level::notice, "x"}),
        R"({"time":"2026-01-01T00:00:00.000042Z","level":"NOTICE","component":"causewayd","message":"x","fields":{}})");
}

TEST_F(log_event, other_lines_name_the_part_that_they_begin_with) {
    const auto part = [](entry e) {
        const std::string line = to_json(at, e);
        return line.substr(line.find("\"component\""), line.find(",\"fields\"") - line.find("\"component\""));
    };
    EXPECT_EQ(part({level::notice, "tcp: listening"}), R"("component":"tcp","message":"listening")");
    EXPECT_EQ(part({level::notice, "nqn.x: gone"}), R"("component":"causewayd","message":"nqn.x: gone")");
    EXPECT_EQ(part({level::debug, "nvmf: Connect", nullptr, {}, true}), R"("component":"nvmf","message":"Connect")");
}

TEST_F(log_event, is_kept_back_by_the_levels) {
    set_level(level::error);
    EXPECT_EQ(printed([] { report(event::image_lost, {}, "w"); }), "");
    EXPECT_EQ(printed([] { report(event::state_not_stored, {}, "e"); }), "ERROR: e [CW302]\n");
}

TEST_F(log_event, of_a_peer_does_not_flood_the_log) {
    limiter l;
    const auto lines = printed([&] {
        for (int i = 0; i < 1000; ++i)
            peer_report(l, event::connect_refused, {}, "refused");
    });
    EXPECT_LT(std::count(lines.begin(), lines.end(), '\n'), 100);
    EXPECT_TRUE(lines.starts_with("WARNING: refused [CW101]\n"));
}

}  // namespace
}  // namespace causeway::core::log
