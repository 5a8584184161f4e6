// SPDX-License-Identifier: Apache-2.0
#include "core/testing/core_fixture.h"
#include "core/thread_runner.h"
#include "host/path_set.h"
#include "host/tcp_connector.h"
#include "host/testing/memory_target.h"
#include "nvme/make_command.h"

#include <atomic>
#include <cstring>
#include <future>
#include <gtest/gtest.h>
#include <list>
#include <optional>

namespace causeway::host::testing {
namespace {

using core::test::eventually;
using nvme::io_opcode;

template <class T>
T wait(core::reactor& r, std::function<core::task<T>()> make) {
    std::promise<T> done;
    r.execute([&] { core::detach(make(), [&](T v) { done.set_value(std::move(v)); }); });
    return done.get_future().get();
}
void wait(core::reactor& r, std::function<core::task<>()> make) {
    std::promise<void> done;
    r.execute([&] { core::detach(make(), [&] { done.set_value(); }); });
    done.get_future().get();
}

/// Two ways to the same disk, and a host with a core.
struct two_ways : ::testing::Test {
    two_ways() {
        std::vector<std::unique_ptr<connector>> ways;
        for (const auto* t : {&a, &b})
            ways.push_back(std::make_unique<tcp_connector>(address{"tcp", "127.0.0.1", std::to_string(t->port())}));
        paths.emplace(std::move(ways), path_set_options{.controller = {.subnqn = memory_target::subnqn,
                                                                       .hostnqn = "nqn.2024-01.io.example:host",
                                                                       .io_reactors = {&core()},
                                                                       .io_depth = 8,
                                                                       .kato_ms = 0},
                                                        .reconnect_after = std::chrono::milliseconds(5),
                                                        .no_path_timeout = no_path_timeout});
        for (auto* counted : {&by_a, &by_b})
            (counted == &by_a ? a : b).refuse = [counted](const nvme::command&) {
                ++*counted;
                return nvme::sc::success;
            };
    }
    ~two_ways() override {
        wait(core(), [&] { return paths->stop(); });
        runner.stop();
        EXPECT_EQ(a.complaint() + b.complaint(), "");
    }
    core::reactor& core() { return group[0]; }
    core::result<> start() {
        return wait<core::result<>>(core(), [&] { return paths->start(); });
    }

    /// One command with its memory, submitted and waited for, or only submitted.
    struct io : path_request {
        io(io_opcode o, std::uint8_t fill = 0) : memory(512, fill) {
            piece = {memory.data(), memory.size()};
            data = {&piece, 1};
            command = nvme::make_block_command(o, 1, 3, 1, 512);
            done = [](request& r) noexcept { static_cast<io&>(r).over = true; };
        }
        std::vector<std::uint8_t> memory;
        iovec piece;
        std::atomic<bool> over = false;
    };
    void submit(io& r) {
        core::thread_runner::call(core(), [&] { paths->submit(0, r); });
    }
    nvme::status run(io& r) {
        submit(r);
        EXPECT_TRUE(eventually([&] { return r.over.load(); }));
        return r.status();
    }
    nvme::status write(std::uint8_t fill) {
        io r(io_opcode::write, fill);
        return run(r);
    }
    std::size_t alive() {
        return core::thread_runner::call(core(), [&] { return paths->alive(); });
    }

    static constexpr auto no_path_timeout = std::chrono::seconds(30);
    memory_target a, b{{}, &a};
    std::atomic<unsigned> by_a = 0, by_b = 0;
    core::tsc_clock clock;
    core::test::inline_executor blocking;
    core::reactor_group group{{0}, clock, blocking};
    core::thread_runner runner{group};
    std::optional<path_set> paths;
};

TEST_F(two_ways, take_turns_if_they_are_equal) {
    ASSERT_TRUE(start());
    for (int i = 0; i < 10; ++i)
        EXPECT_TRUE(write(1).ok());
    EXPECT_EQ(by_a, 5u);
    EXPECT_EQ(by_b, 5u);
}

TEST_F(two_ways, the_optimized_one_gets_all_commands) {
    a.set_ana(nvme::ana_state::non_optimized);
    ASSERT_TRUE(start());
    for (int i = 0; i < 10; ++i)
        EXPECT_TRUE(write(1).ok());
    EXPECT_EQ(by_a, 0u);
    EXPECT_EQ(by_b, 10u);
}

TEST_F(two_ways, follow_an_ana_change) {
    b.set_ana(nvme::ana_state::inaccessible);
    ASSERT_TRUE(start());
    EXPECT_TRUE(write(1).ok());
    EXPECT_EQ(by_b, 0u);
    b.set_ana(nvme::ana_state::optimized);
    a.set_ana(nvme::ana_state::inaccessible);
    by_a = 0;
    EXPECT_TRUE(eventually([&] { return write(2).ok() && by_b > 0; }));
    io r(io_opcode::read);
    EXPECT_TRUE(run(r).ok());
    EXPECT_EQ(r.memory, std::vector<std::uint8_t>(512, 2));
}

TEST_F(two_ways, hold_commands_until_one_is_accessible) {
    a.set_ana(nvme::ana_state::inaccessible);
    b.set_ana(nvme::ana_state::inaccessible);
    ASSERT_TRUE(start());
    io r(io_opcode::write, 7);
    submit(r);
    EXPECT_FALSE(r.over);
    b.set_ana(nvme::ana_state::non_optimized);
    EXPECT_TRUE(eventually([&] { return r.over.load(); }));
    EXPECT_TRUE(r.status().ok());
}

TEST_F(two_ways, a_lost_connection_loses_no_command) {
    ASSERT_TRUE(start());
    for (std::uint8_t round = 1; round <= 5; ++round) {
        std::list<io> all;
        for (int i = 0; i < 8; ++i)
            submit(all.emplace_back(io_opcode::write, round));
        a.break_connections();
        for (io& r : all) {
            ASSERT_TRUE(eventually([&] { return r.over.load(); }));
            EXPECT_TRUE(r.status().ok()) << nvme::to_string(r.status());
        }
        EXPECT_TRUE(eventually([&] { return alive() == 2; })) << "and the connection is made again";
    }
}

TEST_F(two_ways, commands_wait_if_both_are_lost) {
    ASSERT_TRUE(start());
    a.break_connections();
    b.break_connections();
    EXPECT_TRUE(write(9).ok());
}

TEST_F(two_ways, a_status_that_is_not_a_path_error_is_final) {
    ASSERT_TRUE(start());
    a.refuse = b.refuse = [](const nvme::command&) { return nvme::sc::write_fault; };
    EXPECT_EQ(write(1), nvme::sc::write_fault);
    a.refuse = b.refuse = [](const nvme::command&) { return nvme::sc::internal_path_error.with_dnr(); };
    EXPECT_EQ(write(1), nvme::sc::internal_path_error.with_dnr()) << "DNR is final";
}

TEST_F(two_ways, a_command_is_retried_after_a_path_error) {
    ASSERT_TRUE(start());
    std::atomic<int> left = 5;
    a.refuse =
        b.refuse = [&](const nvme::command&) { return left-- > 0 ? nvme::sc::internal_path_error : nvme::sc::success; };
    EXPECT_TRUE(write(1).ok());
    EXPECT_LT(left, 0);
}

TEST_F(two_ways, need_a_listener_at_one_of_them) {
    std::vector<std::unique_ptr<connector>> ways;
    ways.push_back(std::make_unique<tcp_connector>(address{"tcp", "127.0.0.1", "1"}));
    path_set nobody(std::move(ways), {.controller = {.subnqn = memory_target::subnqn,
                                                     .hostnqn = "nqn.2024-01.io.example:host",
                                                     .io_reactors = {&core()}}});
    const auto started = wait<core::result<>>(core(), [&] { return nobody.start(); });
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().text(), "tcp 127.0.0.1:1: Connection refused");
    EXPECT_TRUE(start());
}

}  // namespace
}  // namespace causeway::host::testing
