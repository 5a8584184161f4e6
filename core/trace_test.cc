// SPDX-License-Identifier: Apache-2.0
#include "core/trace.h"

#include "core/testing/unread_stderr.h"

#include <functional>
#include <gtest/gtest.h>

namespace causeway::core {
namespace {

log::flag trace_flag("trace_test");
log::flag tcp_flag("tcp");  // as of the transport, which is not here

std::string printed(const std::function<void()>& f) {
    log::flush();
    ::testing::internal::CaptureStderr();
    f();
    EXPECT_TRUE(log::flush());
    return ::testing::internal::GetCapturedStderr();
}

struct trace_test : ::testing::Test {
    trace_test() { log::set_timestamps(false); }
    ~trace_test() override {
        log::flag::set("trace_test", false);
        log::set_timestamps(true);
    }
};

TEST_F(trace_test, a_flag_that_is_on_prints_the_arguments) {
    log::flag::set("trace_test", true);
    EXPECT_EQ(printed([] { CAUSEWAY_TRACE(trace_flag, "cid {:#06x} on queue {}", 0x17, 3); }),
              "DEBUG: trace_test: cid 0x0017 on queue 3\n");
    EXPECT_EQ(printed([] {
                  CAUSEWAY_TRACE(trace_flag, "one");
                  CAUSEWAY_TRACE(trace_flag, "host {}", "a\nb");
              }),
              "DEBUG: trace_test: one\nDEBUG: trace_test: host a\\x0ab\n")
        << "in order, and one line each";
}

TEST_F(trace_test, a_flag_has_the_names_that_control_planes_look_for) {
    EXPECT_NE(trace::flag_names().find("nvmf_tcp, "), std::string::npos);
    EXPECT_EQ(trace::flag_names().find("nvmf_rdma"), std::string::npos) << "there is no such component here";
    EXPECT_TRUE(log::flag::set("nvmf_tcp", true));
    EXPECT_TRUE(tcp_flag.on());
    EXPECT_TRUE(log::flag::set("tcp", false));
    EXPECT_FALSE(tcp_flag.on());
    EXPECT_FALSE(log::flag::set("nvmf_rdma", true));
}

TEST_F(trace_test, a_flag_that_is_off_evaluates_nothing) {
    int evaluated = 0;
    const auto trace_it = [&] { CAUSEWAY_TRACE(trace_flag, "{}", ++evaluated); };
    EXPECT_EQ(printed(trace_it), "");
    EXPECT_EQ(evaluated, 0);
    log::flag::set("trace_test", true);
    EXPECT_EQ(printed(trace_it), "DEBUG: trace_test: 1\n");
    log::flag::set("trace_test", false);
    EXPECT_EQ(printed(trace_it), "");
    EXPECT_EQ(evaluated, 1);
}

TEST_F(trace_test, a_log_that_nobody_reads_blocks_nobody) {
    test::unread_stderr err;
    log::flag::set("trace_test", true);
    const std::string text(4000, 'x');
    for (std::size_t bytes = 0; bytes < 2 * log::max_pending_trace_bytes; bytes += text.size())
        CAUSEWAY_TRACE(trace_flag, "{}", text);  // returns, or this test never ends
    log::flag::set("trace_test", false);
    log::error("not displaced");
    const std::string said = err.read();
    EXPECT_NE(said.find("trace lines were lost, because the log was not read"), std::string::npos);
    EXPECT_NE(said.find("ERROR: not displaced\n"), std::string::npos);
}

TEST_F(trace_test, the_names_of_all_flags_are_listed) {
    const std::string names = trace::flag_names();
    EXPECT_NE(names.find("trace_test"), std::string::npos) << names;
}

}  // namespace
}  // namespace causeway::core
