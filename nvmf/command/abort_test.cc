// SPDX-License-Identifier: Apache-2.0
#include "nvmf/testing/target_fixture.h"

namespace causeway::nvmf::test {
namespace {

using nvme::io_opcode;

class abort_command : public testing::Test {
  protected:
    nvmf_fixture w;
    subsystem& s = w.make_subsystem();
    std::shared_ptr<bdev::fault_device> disk = w.make_faulty("disk");
    host h;

    void SetUp() override {
        w.add(s, "disk");
        h = w.make_host(host_a, 3);
    }
    /// Whether the host is told that the command was aborted.
    bool abort(std::uint16_t sqid, const capsule& c) {
        const capsule& a = h.admin->call(nvmf::test::abort(sqid, c.command.cid));
        EXPECT_EQ(a.status(), sc::success);
        EXPECT_EQ(a.dw0() & ~1u, 0u);
        return (a.dw0() & 1) == 0;
    }
};

TEST_F(abort_command, takes_back_what_waits_for_a_buffer_on_any_core) {
    for (std::uint16_t qid = 1; qid <= 3; ++qid) {
        connection& q = *h.queues[qid - 1];
        q.hold = true;
        auto& waiting = q.send(io(io_opcode::write, 1), filled(512, 1));
        EXPECT_TRUE(w.until([&] { return waiting.held; }));
        EXPECT_TRUE(abort(qid, waiting));
        EXPECT_TRUE(waiting.status().is(sc::aborted_by_request));
        q.hold = false;
        EXPECT_EQ(q.call(io(io_opcode::read, 1), bytes(512)).data, filled(512, 0)) << "it was not written";
    }
}

TEST_F(abort_command, leaves_alone_what_a_device_is_at_work_on) {
    disk->add_rule({.what = bdev::fault_rule::kind::hang});
    auto& running = h.queues[0]->send(io(io_opcode::write, 1), filled(512, 1));
    EXPECT_TRUE(w.until([&] { return disk->hung() == 1; }));
    EXPECT_FALSE(abort(1, running));
    EXPECT_FALSE(running.answered);
    w.run(disk->release_hung());
    EXPECT_TRUE(w.until([&] { return running.answered; }));
    EXPECT_EQ(running.status(), sc::success) << "and the host was told that this would happen";
}

TEST_F(abort_command, takes_back_event_requests) {
    auto& request = h.admin->send(admin(nvme::admin_opcode::async_event_request));
    EXPECT_TRUE(abort(0, request));
    EXPECT_TRUE(w.until([&] { return request.answered; }));
    EXPECT_TRUE(request.status().is(sc::aborted_by_request));
}

TEST_F(abort_command, takes_back_a_lone_first_half_and_fails_the_second) {
    auto& first = h.queues[0]->send(fused(io(io_opcode::compare, 1), nvme::fuse::first), filled(512, 0));
    w.pass(std::chrono::milliseconds(1));
    EXPECT_TRUE(abort(1, first));
    EXPECT_TRUE(first.status().is(sc::aborted_by_request));
    const capsule& second = h.queues[0]->call(fused(io(io_opcode::write, 1), nvme::fuse::second), filled(512, 0));
    EXPECT_TRUE(second.status().is(sc::aborted_failed_fused));
}

TEST_F(abort_command, does_not_tear_a_pair_apart) {
    connection& q = *h.queues[0];
    q.hold = true;
    auto& first = q.send(fused(io(io_opcode::compare, 1), nvme::fuse::first), filled(512, 0));
    auto& second = q.send(fused(io(io_opcode::write, 1), nvme::fuse::second), filled(512, 1));
    EXPECT_TRUE(w.until([&] { return second.held; }));
    EXPECT_FALSE(abort(1, second));
    q.execute_held(first);
    w.pass(std::chrono::milliseconds(1));
    EXPECT_FALSE(abort(1, first));
    EXPECT_FALSE(abort(1, second));
    q.execute_held(second);
    EXPECT_TRUE(w.until([&] { return first.answered && second.answered; }));
    EXPECT_EQ(second.status(), sc::success);
}

TEST_F(abort_command, of_what_is_not_there_is_no_error) {
    capsule gone;
    gone.command.cid = 999;
    for (const std::uint16_t sqid : {0, 1, 3, 4, 65535})
        EXPECT_FALSE(abort(sqid, gone)) << sqid;
    auto& done = h.queues[0]->call(io(io_opcode::read, 1), bytes(512));
    EXPECT_FALSE(abort(1, done));
}

TEST_F(abort_command, four_run_at_once) {
    // One core does not turn: visits to it wait.
    connection* elsewhere = nullptr;
    std::uint16_t sqid = 0;
    for (std::uint16_t i = 0; i < 3; ++i) {
        if (&h.queues[i]->home != &h.admin->home && &h.queues[i]->home != &w.sim.group().control()) {
            elsewhere = h.queues[i];
            sqid = static_cast<std::uint16_t>(i + 1);
        }
    }
    ASSERT_TRUE(elsewhere);
    std::vector<capsule*> aborts;
    for (int i = 0; i < 5; ++i)
        aborts.push_back(&h.admin->send(nvmf::test::abort(sqid, 100)));
    for (int i = 0; i < 20; ++i) {
        h.admin->home.turn();
        w.sim.group().control().turn();
    }
    EXPECT_TRUE(aborts[4]->answered);
    EXPECT_TRUE(aborts[4]->status().is(sc::abort_limit_exceeded));
    EXPECT_TRUE(
        w.until([&] { return std::all_of(aborts.begin(), aborts.end(), [](auto* a) { return a->answered; }); }));
    EXPECT_EQ(aborts[0]->status(), sc::success);
}

TEST_F(abort_command, may_cross_the_end_of_the_queue_that_it_visits) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        nvmf_fixture v(seed);
        v.make_subsystem();
        host g = v.make_host(host_a, 2);
        auto& a = g.admin->send(nvmf::test::abort(1, 5));
        auto& b = g.admin->send(nvmf::test::abort(2, 5));
        g.queues[0]->drop();
        if (seed % 2)
            g.admin->drop();
        EXPECT_TRUE(v.until([&] { return g.queues[0]->gone && ((a.answered && b.answered) || g.admin->gone); }));
    }
}

}  // namespace
}  // namespace causeway::nvmf::test
