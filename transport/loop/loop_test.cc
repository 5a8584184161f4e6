// SPDX-License-Identifier: Apache-2.0
// The fabric without a network, in virtual time: a target on one side, hosts on the other.

#include "transport/loop/testing/loop_fixture.h"

#include <deque>

namespace causeway::loop::test {
namespace {

using namespace std::chrono_literals;
constexpr std::byte a{0xa1}, b{0xb2};

/// Runs every test with data borrowed from the host, copied, and copied through buffers that tell.
class loop_test : public ::testing::TestWithParam<data_path> {
  protected:
    explicit loop_test(nvmf::transport_options options = {}) : gate(run.group(), GetParam(), options) {
        wait(gate.build());
    }
    ~loop_test() override {
        wait(gate.tear_down());
        EXPECT_TRUE(run.run_until_idle());
        EXPECT_EQ(gate.transport->connections(), 0u);
        for (std::size_t core = 0; core < run.group().size(); ++core) {
            auto& state = gate.transport->on(core);
            EXPECT_EQ(state.broken.get(), 0u);
            if (!state.buffers)
                continue;
            EXPECT_EQ(state.buffers->taken(), 0u);
            EXPECT_EQ(state.buffers->waiting(), 0u);
            EXPECT_EQ(state.buffers->damaged(), 0u);
        }
    }

    /// On the control reactor, which is where these hosts live.
    void wait(core::task<> t) {
        bool done = false;
        core::detach(on_control(std::move(t), done));
        EXPECT_TRUE(run.run_until([&] { return done; }));
    }
    core::task<> on_control(core::task<> t, bool& done) {
        co_await core::switch_to(run.group().control());
        co_await std::move(t);
        done = true;
    }
    /// On the control reactor, at once: hosts submit from there.
    void now(std::function<void()> f) {
        bool done = false;
        run.group().control().execute([&] {
            f();
            done = true;
        });
        EXPECT_TRUE(run.run_until([&] { return done; }));
    }
    bool submit(host_queue& q, host_request& r) {
        bool taken = false;
        now([&] { taken = q.submit(r); });
        return taken;
    }
    core::task<> connect_to(host_controller& c, host_options o, int& code) {
        const auto connected = co_await c.connect(std::move(o));
        code = connected ? 0 : connected.error().code;
    }
    int connect(host_controller& c, host_options o) {
        int code = -1;
        wait(connect_to(c, std::move(o), code));
        return code;
    }
    void settle() { run.run_for(5ms); }
    void hang_everything() { gate.disk().add_rule({.what = bdev::fault_rule::kind::hang}); }
    void heal() {
        gate.disk().clear_rules();
        wait(gate.disk().release_hung());
        settle();
    }
    bool copies() const { return GetParam() != data_path::borrow; }

    core::simulation run{7, 3};
    gateway gate;
};
INSTANTIATE_TEST_SUITE_P(paths, loop_test,
                         ::testing::Values(data_path::borrow, data_path::copy, data_path::copy_checked));

TEST_P(loop_test, nobody_listens_there) {
    host_controller c(*gate.transport);
    auto o = gateway::host();
    o.at = nowhere;
    EXPECT_EQ(connect(c, o), ECONNREFUSED);
}

TEST_P(loop_test, deeper_than_the_transport_allows) {
    host_controller c(*gate.transport);
    auto o = gateway::host();
    o.io_entries = 129;
    EXPECT_EQ(connect(c, o), EINVAL);
}

TEST_P(loop_test, what_is_written_is_read) {
    host_controller c(*gate.transport);
    ASSERT_EQ(connect(c, gateway::host(2)), 0);
    write_command w(10, 8, a);
    ASSERT_TRUE(submit(c.io(0), w));
    settle();
    EXPECT_EQ(w.answers, 1u);
    EXPECT_TRUE(w.status().ok());
    read_command r(10, 8);
    ASSERT_TRUE(submit(c.io(1), r));
    settle();
    EXPECT_TRUE(r.status().ok());
    EXPECT_TRUE(r.all(a));
    wait(c.disconnect());
}

TEST_P(loop_test, data_in_pieces) {
    host_controller c(*gate.transport);
    ASSERT_EQ(connect(c, gateway::host()), 0);
    write_command w(0, 4, a);
    const iovec pieces[3] = {{w.memory.data(), 512}, {w.memory.data() + 512, 1024}, {w.memory.data() + 1536, 512}};
    w.memory[511] = b;
    w.memory[1536] = b;
    w.data = pieces;
    ASSERT_TRUE(submit(c.io(0), w));
    settle();
    read_command r(0, 4);
    const iovec other[2] = {{r.memory.data(), 1536}, {r.memory.data() + 1536, 512}};
    r.data = other;
    ASSERT_TRUE(submit(c.io(0), r));
    settle();
    EXPECT_EQ(r.memory, w.memory);
    wait(c.disconnect());
}

TEST_P(loop_test, what_waits_for_credit_holds_no_buffer) {
    host_controller c(*gate.transport);
    ASSERT_EQ(connect(c, gateway::host(1)), 0);
    wait(gate.disk().set_limits({.rw_ios_per_sec = 1}));
    std::deque<read_command> reads;
    for (int i = 0; i < 8; ++i)
        reads.emplace_back(0, 8);
    for (read_command& r : reads)
        ASSERT_TRUE(submit(c.io(0), r));
    settle();
    const auto answered = [&] { return std::ranges::count_if(reads, [](const auto& r) { return r.answers > 0; }); };
    EXPECT_LE(answered(), 2);
    for (std::size_t core = 0; copies() && core < run.group().size(); ++core)
        EXPECT_EQ(gate.transport->on(core).buffers->taken(), 0u);
    command_in_memory abort(0);
    abort.command = make_abort(1, reads[7].command.cid);
    ASSERT_TRUE(submit(c.admin(), abort));
    settle();
    EXPECT_TRUE(reads[7].status().is(nvme::sc::aborted_by_request));
    wait(gate.disk().set_limits({.rw_ios_per_sec = 100'000}));
    settle();
    EXPECT_EQ(answered(), 8);
    EXPECT_TRUE(reads[6].status().ok());
    wait(gate.disk().set_limits({.rw_ios_per_sec = 1}));
    for (read_command& r : reads)
        ASSERT_TRUE(submit(c.io(0), r));
    settle();
    wait(c.disconnect());
}

TEST_P(loop_test, too_little_memory_is_no_transfer) {
    host_controller c(*gate.transport);
    ASSERT_EQ(connect(c, gateway::host()), 0);
    read_command r(0, 4);
    r.piece.iov_len -= 1;
    ASSERT_TRUE(submit(c.io(0), r));
    settle();
    EXPECT_TRUE(r.status().is(nvme::sc::data_sgl_length_invalid));
    EXPECT_TRUE(r.all(std::byte{}));
    wait(c.disconnect());
}

TEST_P(loop_test, no_more_than_the_queue_holds) {
    host_controller c(*gate.transport);
    ASSERT_EQ(connect(c, gateway::host(1, 4)), 0);
    hang_everything();
    read_command r[4]{{0, 1}, {1, 1}, {2, 1}, {3, 1}};
    for (int i = 0; i < 3; ++i)
        EXPECT_TRUE(submit(c.io(0), r[i]));
    EXPECT_FALSE(submit(c.io(0), r[3])) << "a queue of 4 entries has room for 3";
    settle();
    EXPECT_EQ(c.io(0).outstanding(), 3u);
    heal();
    EXPECT_EQ(c.io(0).outstanding(), 0u);
    EXPECT_TRUE(submit(c.io(0), r[3]));
    settle();
    EXPECT_EQ(r[3].answers, 1u);
    wait(c.disconnect());
}

TEST_P(loop_test, what_executes_is_answered_when_the_listener_is_removed) {
    host_controller c(*gate.transport);
    ASSERT_EQ(connect(c, gateway::host()), 0);
    write_command w(0, 1, a);
    ASSERT_TRUE(submit(c.io(0), w));
    settle();
    hang_everything();
    read_command before(0, 1), after(0, 1);
    ASSERT_TRUE(submit(c.io(0), before));
    settle();
    bool removed = false;
    now([&] {
        core::detach(gate.target->find_subsystem(subnqn)->listeners().remove(here),
                     [&](core::result<> r) { removed = r.has_value(); });
    });
    settle();
    submit(c.io(0), after);
    settle();
    EXPECT_FALSE(removed) << "it waits for the disk";
    EXPECT_EQ(before.answers, 0u);
    heal();
    EXPECT_TRUE(run.run_until([&] { return removed; }));
    settle();
    EXPECT_TRUE(before.status().ok());
    EXPECT_TRUE(before.all(a));
    EXPECT_FALSE(after.status().ok()) << "it came too late";
    EXPECT_EQ(c.io(0).outstanding(), 0u);
}

TEST_P(loop_test, a_disk_that_hangs_does_not_keep_a_listener) {
    host_controller c(*gate.transport);
    ASSERT_EQ(connect(c, gateway::host()), 0);
    hang_everything();
    read_command r(0, 1);
    ASSERT_TRUE(submit(c.io(0), r));
    settle();
    wait([](gateway& g) -> core::task<> {
        const auto removed = co_await g.target->find_subsystem(subnqn)->listeners().remove(here);
        EXPECT_TRUE(removed);
    }(gate));
    EXPECT_EQ(r.answers, copies() ? 1u : 0u) << "memory that is lent stays so";
    heal();
    EXPECT_FALSE(r.status().ok());
}

TEST_P(loop_test, sqhd_moves_with_every_command_and_wraps) {
    host_controller c(*gate.transport);
    ASSERT_EQ(connect(c, gateway::host(1, 4)), 0);
    const std::uint16_t before = c.io(0).sq_head();
    for (int i = 1; i <= 6; ++i) {
        read_command r(0, 1);
        ASSERT_TRUE(submit(c.io(0), r));
        settle();
        EXPECT_EQ(c.io(0).sq_head(), (before + i) % 4);
    }
    wait(c.disconnect());
}

TEST_P(loop_test, without_flow_control_no_sqhd) {
    host_controller c(*gate.transport);
    auto o = gateway::host();
    o.sq_flow_control = false;
    ASSERT_EQ(connect(c, o), 0);
    read_command r(0, 1);
    ASSERT_TRUE(submit(c.io(0), r));
    settle();
    EXPECT_EQ(c.io(0).sq_head(), nvme::sqhd_without_flow_control);
    wait(c.disconnect());
}

TEST_P(loop_test, the_host_leaves_while_its_commands_hang) {
    host_controller c(*gate.transport);
    ASSERT_EQ(connect(c, gateway::host()), 0);
    hang_everything();
    std::deque<write_command> all;
    for (unsigned i = 0; i < 10; ++i)
        ASSERT_TRUE(submit(c.io(0), all.emplace_back(i, 1, a)));
    settle();
    now([&] { c.io(0).disconnect(); });
    EXPECT_FALSE(submit(c.io(0), all.emplace_back(20, 1, a)));
    settle();
    // Copied: as over a network, nobody waits for the device. Borrowed: the device still works in the host's memory.
    for (unsigned i = 0; i < 10; ++i)
        EXPECT_EQ(all[i].answers, copies() ? 1u : 0u);
    heal();
    for (unsigned i = 0; i < 10; ++i) {
        EXPECT_EQ(all[i].answers, 1u);
        EXPECT_TRUE(all[i].status().is(nvme::sc::host_pathing_error));
    }
    EXPECT_EQ(all[10].answers, 0u);
    EXPECT_EQ(c.io(0).phase(), host_queue::state::closed);
    wait(c.disconnect());
}

TEST_P(loop_test, the_target_leaves_while_commands_hang) {
    host_controller c(*gate.transport);
    ASSERT_EQ(connect(c, gateway::host()), 0);
    hang_everything();
    std::deque<read_command> all;
    for (unsigned i = 0; i < 10; ++i)
        ASSERT_TRUE(submit(c.io(0), all.emplace_back(i, 1)));
    settle();
    bool stopped = false;
    core::detach(on_control(gate.transport->stop(), stopped));
    settle();
    EXPECT_FALSE(stopped) << "the device still has commands";
    heal();
    EXPECT_TRUE(run.run_until([&] { return stopped; }));
    EXPECT_FALSE(c.alive());
    for (const auto& r : all)
        EXPECT_EQ(r.answers, 1u);
    wait(c.disconnect());
}

TEST_P(loop_test, the_host_leaves_in_the_middle_of_it) {
    for (int i = 0; i < 50; ++i) {
        host_controller c(*gate.transport);
        ASSERT_EQ(connect(c, gateway::host()), 0);
        std::deque<read_command> all;
        for (unsigned n = 0; n < 10; ++n)
            all.emplace_back(n, 1);
        now([&] {
            for (auto& r : all)
                EXPECT_TRUE(c.io(0).submit(r));
        });
        for (int steps = 0; steps < i; ++steps)
            run.step();
        now([&] { c.io(0).disconnect(); });
        settle();
        for (const auto& r : all)
            EXPECT_EQ(r.answers, 1u);
        EXPECT_EQ(c.io(0).unexpected(), 0u);
        wait(c.disconnect());
        settle();
        EXPECT_EQ(gate.transport->connections(), 0u);
    }
}

TEST_P(loop_test, reads_of_what_was_dropped_are_not_delivered_late) {
    host_controller c(*gate.transport);
    ASSERT_EQ(connect(c, gateway::host()), 0);
    write_command w(0, 1, a);
    ASSERT_TRUE(submit(c.io(0), w));
    settle();
    hang_everything();
    auto r = std::make_unique<read_command>(0, 1);
    ASSERT_TRUE(submit(c.io(0), *r));
    settle();
    now([&] { c.io(0).disconnect(); });
    settle();
    if (copies()) {
        EXPECT_EQ(r->answers, 1u);
        r.reset();  // the address sanitizer looks on
    }
    heal();
    EXPECT_TRUE(!r || r->answers == 1);
    wait(c.disconnect());
}

/// One buffer of each size.
class scarce_test : public loop_test {
  protected:
    static nvmf::transport_options scarce() {
        nvmf::transport_options o;
        o.small_buffers = o.large_buffers = 1;
        return o;
    }
    scarce_test() : loop_test(scarce()) {}
    std::uint64_t pending() const {
        std::uint64_t sum = 0;
        for (std::size_t core = 0; core < 3; ++core)
            sum += gate.transport->pending_data_buffers(core);
        return sum;
    }
    /// Five reads, of which one has the buffer.
    void send_five(host_queue& q) {
        hang_everything();
        for (unsigned i = 0; i < 5; ++i)
            ASSERT_TRUE(submit(q, reads.emplace_back(i, 1)));
        settle();
        ASSERT_EQ(pending(), 4u);
    }
    std::deque<read_command> reads;
};
INSTANTIATE_TEST_SUITE_P(paths, scarce_test, ::testing::Values(data_path::copy, data_path::copy_checked));

TEST_P(scarce_test, commands_wait_in_line_for_a_buffer) {
    host_controller c(*gate.transport);
    ASSERT_EQ(connect(c, gateway::host()), 0);
    send_five(c.io(0));
    heal();
    for (const auto& r : reads)
        EXPECT_TRUE(r.status().ok());
    wait(c.disconnect());
}

TEST_P(scarce_test, one_that_waits_can_be_aborted) {
    host_controller c(*gate.transport);
    ASSERT_EQ(connect(c, gateway::host()), 0);
    send_five(c.io(0));
    command_in_memory abort(0);
    abort.command = make_abort(1, reads[1].command.cid);
    ASSERT_TRUE(submit(c.admin(), abort));
    settle();
    EXPECT_TRUE(abort.status().ok());
    EXPECT_EQ(abort.completion.dw0.value() & nvme::abort_not_aborted, 0u);
    EXPECT_TRUE(reads[1].status().is(nvme::sc::aborted_by_request));
    EXPECT_EQ(pending(), 3u);
    heal();
    EXPECT_TRUE(reads[0].status().ok());
    EXPECT_TRUE(reads[4].status().ok());
    EXPECT_EQ(reads[1].answers, 1u);
    wait(c.disconnect());
}

TEST_P(scarce_test, half_of_a_fused_pair_with_too_little_room_takes_the_other_half_along) {
    host_controller c(*gate.transport);
    ASSERT_EQ(connect(c, gateway::host()), 0);
    command_in_memory first(block_size), second(block_size / 2);
    first.command = make_block_command(nvme::io_opcode::compare, 1, 9, 1, block_size, nvme::fuse::first);
    second.command = make_block_command(nvme::io_opcode::write, 1, 9, 1, block_size, nvme::fuse::second);
    now([&] {
        EXPECT_TRUE(c.io(0).submit(first));
        EXPECT_TRUE(c.io(0).submit(second));
    });
    settle();
    EXPECT_TRUE(first.status().is(nvme::sc::aborted_failed_fused)) << nvme::to_string(first.status());
    EXPECT_TRUE(second.status().is(nvme::sc::data_sgl_length_invalid)) << nvme::to_string(second.status());
    wait(c.disconnect());
}

TEST_P(scarce_test, those_that_wait_go_with_their_connection) {
    host_controller c(*gate.transport);
    ASSERT_EQ(connect(c, gateway::host()), 0);
    send_five(c.io(0));
    now([&] { c.io(0).disconnect(); });
    settle();
    EXPECT_EQ(pending(), 0u);
    for (const auto& r : reads)
        EXPECT_EQ(r.answers, 1u);
    heal();
    wait(c.disconnect());
}

TEST_P(scarce_test, nobody_is_kept_from_connecting) {
    host_controller c(*gate.transport);
    ASSERT_EQ(connect(c, gateway::host()), 0);
    send_five(c.io(0));
    host_controller other(*gate.transport);
    EXPECT_EQ(connect(other, gateway::host(3)), 0);
    heal();
    wait(other.disconnect());
    wait(c.disconnect());
}

TEST_P(scarce_test, fused_pairs_do_not_wait_for_each_others_buffers) {
    host_controller c(*gate.transport);
    ASSERT_EQ(connect(c, gateway::host(6)), 0);
    std::deque<command_in_memory> halves;
    now([&] {
        for (std::size_t q = 0; q < 6; ++q) {
            for (const auto fuse : {nvme::fuse::first, nvme::fuse::second}) {
                auto& half = halves.emplace_back(block_size);
                const auto opcode = fuse == nvme::fuse::first ? nvme::io_opcode::compare : nvme::io_opcode::write;
                half.command = make_block_command(opcode, 1, q, 1, block_size, fuse);
                EXPECT_TRUE(c.io(q).submit(half));
            }
        }
    });
    settle();
    for (const auto& half : halves) {
        EXPECT_EQ(half.answers, 1u);
        EXPECT_TRUE(half.status().ok()) << nvme::to_string(half.status());
    }
    wait(c.disconnect());
}

TEST(data_buffers, a_late_write_is_found) {
    nvmf::transport_options o;
    o.small_buffers = o.large_buffers = 2;
    auto made = data_buffers::create(o, true);
    ASSERT_TRUE(made);
    core::buffer_claim claim;
    core::accounts_at_hand at_hand;
    ASSERT_TRUE(made->take(claim, 100, {1, 1}, at_hand));
    std::byte* const buffer = claim.data;
    made->release(claim, 100);
    EXPECT_EQ(made->damaged(), 0u);
#ifdef __SANITIZE_ADDRESS__
    EXPECT_DEATH(*static_cast<volatile std::byte*>(buffer + 99) = a, "use-after-poison");
#else
    buffer[99] = a;
    EXPECT_EQ(made->damaged(), 1u);
    EXPECT_EQ(made->damaged(), 1u) << "and told once";
    buffer[8000] = a;
    ASSERT_TRUE(made->take(claim, 8192, {1, 1}, at_hand));
    EXPECT_EQ(claim.data, buffer);
    made->release(claim, 8192);
    EXPECT_EQ(made->damaged(), 2u);
#endif
}

}  // namespace
}  // namespace causeway::loop::test
