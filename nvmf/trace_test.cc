// SPDX-License-Identifier: Apache-2.0
#include "nvmf/trace.h"

#include "nvmf/testing/target_fixture.h"

namespace causeway::nvmf::test {
namespace {

struct trace_points : ::testing::Test {
    trace_points() {
        core::log::set_timestamps(false);
        w.make_memory("m");
        w.add(w.make_subsystem(), "m");
    }
    ~trace_points() override {
        core::log::flag::set("all", false);
        core::log::set_timestamps(true);
    }
    /// What `f` prints while the flag is on.
    template <class F>
    std::string traced(const char* flag, F f) {
        ::testing::internal::CaptureStderr();
        core::log::flag::set(flag, true);
        f();
        core::log::flag::set(flag, false);
        EXPECT_TRUE(core::log::flush());
        return ::testing::internal::GetCapturedStderr();
    }
    static std::string line(const char* flag, const std::string& host, std::string text) {
        return std::string("DEBUG: ") + flag + ": " + host + text + "\n";
    }

    nvmf_fixture w;
};

TEST_F(trace_points, a_refused_command_has_its_reason_and_the_byte_at_fault) {
    host h = w.make_host();
    capsule* c = nullptr;
    const std::string printed = traced("nvmf", [&] { c = &h.queues[0]->call(command(0x99, 1)); });
    EXPECT_EQ(printed, line("nvmf", host_a,
                            fmt::format(" queue 1 cid {:#06x} opcode 0x99: invalid_opcode dnr, byte 0 bit 0",
                                        c->command.cid.value())));
}

TEST_F(trace_points, each_state_of_a_request_is_a_line) {
    host h = w.make_host();
    capsule* c = nullptr;
    const std::string printed =
        traced("requests", [&] { c = &h.queues[0]->call(io(nvme::io_opcode::read, 1), bytes(512)); });
    const std::string head = fmt::format(" queue 1 cid {:#06x} opcode 0x02 nsid 1: ", c->command.cid.value());
    EXPECT_EQ(printed, line("requests", host_a, head + "begins") + line("requests", host_a, head + "executes") +
                           line("requests", host_a, head + "completes: success"));
}

TEST_F(trace_points, connects_are_accepted_or_refused) {
    EXPECT_EQ(traced("nvmf", [&] { w.make_host(); }).find("refused"), std::string::npos);
    const std::string accepted = traced("nvmf", [&] { w.make_host(); });
    EXPECT_NE(accepted.find("queue 0 of host '" + std::string(host_a) + "' from"), std::string::npos) << accepted;
    EXPECT_NE(accepted.find("Connect accepted"), std::string::npos) << accepted;
    const std::string refused = traced(
        "nvmf", [&] { w.connect_to(0).call(connect(0), raw(connect_data("nqn.2024-01.io.example:none", host_a))); });
    EXPECT_NE(refused.find("Connect refused: there is no such subsystem"), std::string::npos) << refused;
}

TEST_F(trace_points, nothing_is_printed_while_it_is_off) {
    EXPECT_EQ(traced("no_such_flag",
                     [&] {
                         host h = w.make_host();
                         h.queues[0]->call(io(nvme::io_opcode::read, 1), bytes(512));
                     }),
              "");
}

}  // namespace
}  // namespace causeway::nvmf::test
