// SPDX-License-Identifier: Apache-2.0
// Commands of several hosts on several cores under a device's limits.

#include "nvmf/testing/target_fixture.h"

#include <algorithm>

namespace causeway::nvmf::test {
namespace {

using nvme::fuse;
using nvme::io_opcode;
using namespace std::chrono_literals;

/// A queue pair that keeps so many commands outstanding.
struct busy_queue {
    connection* at;
    nvme::command command;
    std::vector<capsule*> outstanding;
    std::uint64_t done = 0;

    void top_up() {
        for (capsule*& c : outstanding) {
            if (c && !c->answered)
                continue;
            if (c) {
                EXPECT_TRUE(c->status().ok());
                ++done;
            }
            c = &at->send(command, bytes(512));
        }
    }
};

class limited_namespace : public testing::Test {
  protected:
    nvmf_fixture w;
    subsystem& s = w.make_subsystem();
    std::shared_ptr<bdev::memory_device> disk = w.make_memory("disk");
    std::vector<busy_queue> busy;

    void SetUp() override { w.add(s, "disk"); }
    void limit(bdev::rate_limits l) { w.run(disk->set_limits(l)); }
    core::result<> share(std::string nqn, host_share h) {
        return w.run(s.namespaces().all().at(1)->set_host_share(std::move(nqn), h));
    }
    busy_queue& add_busy(connection* q, std::size_t depth, io_opcode o = io_opcode::read) {
        busy.reserve(16);
        return busy.emplace_back(busy_queue{q, io(o, 1), std::vector<capsule*>(depth), 0});
    }
    void run(core::nanoseconds d) {
        const core::ticks end = w.sim.time().now() + static_cast<core::ticks>(d.count());
        w.until([&] {
            for (busy_queue& b : busy)
                b.top_up();
            return w.sim.time().now() >= end;
        });
    }
    /// One command a second, and a queue pair whose commands wait for it.
    std::vector<capsule*> make_wait(connection& q, std::size_t n = 4) {
        limit({.rw_ios_per_sec = 1});
        q.call(io(io_opcode::read, 1), bytes(512));
        std::vector<capsule*> waiting;
        for (std::size_t i = 0; i < n; ++i)
            waiting.push_back(&q.send(io(io_opcode::read, 1), bytes(512)));
        EXPECT_TRUE(w.until([&] { return std::ranges::all_of(waiting, &capsule::deferred); }));
        return waiting;
    }
    /// The halves of a Compare and Write, sent one after the other.
    struct pair {
        capsule *first, *second;

        bool deferred() const { return first->deferred && second->deferred; }
        bool answered() const { return first->answered && second->answered; }
    };
    capsule& send_first(connection& q, std::uint32_t blocks = 1) {
        return q.send(fused(io(io_opcode::compare, 1, 0, blocks), fuse::first), bytes(512 * blocks));
    }
    capsule& send_second(connection& q, std::uint32_t blocks = 1) {
        return q.send(fused(io(io_opcode::write, 1, 0, blocks), fuse::second), bytes(512 * blocks));
    }
    pair send_pair(connection& q, std::uint32_t blocks = 1) {
        return {&send_first(q, blocks), &send_second(q, blocks)};
    }
    /// Pairs that are done in that time, of a queue pair that keeps so many outstanding.
    unsigned pairs_in(connection& q, core::nanoseconds d, std::size_t outstanding, std::uint32_t blocks) {
        const core::ticks end = w.sim.time().now() + static_cast<core::ticks>(d.count());
        std::vector<pair> pairs;
        unsigned done = 0;
        w.until([&] {
            for (busy_queue& b : busy)
                b.top_up();
            done += static_cast<unsigned>(std::erase_if(pairs, [](const pair& p) {
                EXPECT_TRUE(!p.answered() || (p.first->status().ok() && p.second->status().ok()));
                return p.answered();
            }));
            while (pairs.size() < outstanding)
                pairs.push_back(send_pair(q, blocks));
            return w.sim.time().now() >= end;
        });
        return done;
    }
    std::uint64_t throttled() {
        std::uint64_t n = 0;
        for (std::size_t i = 0; i < w.sim.group().size(); ++i)
            n += w.target.counters().on(i).throttled_commands.get();
        return n;
    }
};

TEST_F(limited_namespace, is_read_as_fast_as_its_limit_allows_by_hosts_on_all_cores) {
    limit({.rw_ios_per_sec = 20'000});
    host a = w.make_host(host_a, 3), b = w.make_host(host_b, 1);
    for (connection* q : a.queues)
        add_busy(q, 8);
    const busy_queue& alone = add_busy(b.queues[0], 32);
    run(20ms);
    for (busy_queue& each : busy)
        each.done = 0;
    run(200ms);
    std::uint64_t all = 0;
    for (const busy_queue& each : busy)
        all += each.done;
    EXPECT_NEAR(all, 4000, 80);
    EXPECT_NEAR(alone.done, 2000, 60);
}

/// In each round of grants there is credit for nearly all that they have outstanding: what has come since a ticket left
/// its core must count, or hosts near the scheduler, whose tickets are back first, have the rest.
TEST_F(limited_namespace, is_shared_equally_by_hosts_that_have_little_more_outstanding_than_is_granted_at_once) {
    w.sim.set_pace({.turns_before_a_stall = 0});
    limit({.rw_ios_per_sec = 200'000});
    std::vector<host> hosts;
    for (int i = 0; i < 6; ++i) {
        hosts.push_back(w.make_host("nqn.2024-01.io.example:host" + std::to_string(i), 1));
        add_busy(hosts.back().queues[0], 24);
    }
    run(20ms);
    for (busy_queue& each : busy)
        each.done = 0;
    run(50ms);
    std::uint64_t all = 0;
    for (const busy_queue& each : busy)
        all += each.done;
    EXPECT_NEAR(all, 10'000, 400);
    for (const busy_queue& each : busy)
        EXPECT_NEAR(each.done, all / busy.size(), all / busy.size() / 20);
}

TEST_F(limited_namespace, does_not_delay_a_host_that_asks_for_less_than_its_share) {
    w.sim.set_pace({.turns_before_a_stall = 0});
    limit({.rw_ios_per_sec = 20'000});
    host deep = w.make_host(host_a, 2), shallow = w.make_host(host_b, 1);
    for (connection* q : deep.queues)
        add_busy(q, 64);
    run(20ms);
    core::ticks longest = 0;
    for (int i = 0; i < 50; ++i) {
        const core::ticks before = w.sim.time().now();
        const capsule& c = shallow.queues[0]->send(io(io_opcode::read, 1), bytes(512));
        w.until([&] {
            for (busy_queue& b : busy)
                b.top_up();
            return c.answered;
        });
        longest = std::max(longest, w.sim.time().now() - before);
        run(300us);
    }
    EXPECT_LE(longest, 700'000u);  // a host that waits its turn behind 128 commands waits 6.4 ms
}

TEST_F(limited_namespace, lets_nothing_wait_below_its_limit) {
    limit({.rw_ios_per_sec = 1'000'000, .rw_mbytes_per_sec = 1000});
    host h = w.make_host(host_a, 1);
    add_busy(h.queues[0], 1);
    run(5ms);
    EXPECT_GT(busy[0].done, 50u);
    EXPECT_EQ(throttled(), 0u);
}

TEST_F(limited_namespace, limits_what_is_written_and_leaves_reads_alone) {
    limit({.w_mbytes_per_sec = 1});
    host h = w.make_host(host_a, 2);
    const busy_queue& writes = add_busy(h.queues[0], 16, io_opcode::write);
    const busy_queue& reads = add_busy(h.queues[1], 1);
    run(100ms);
    EXPECT_NEAR(writes.done, 205, 8);
    EXPECT_GT(reads.done, 1000u);
}

TEST_F(limited_namespace, keeps_a_limit_that_its_device_had_before_it_was_added) {
    auto other = w.make_memory("other");
    w.run(other->set_limits({.rw_ios_per_sec = 1000}));
    w.add(s, "other", 2);
    host h = w.make_host(host_a, 1);
    busy_queue& b = add_busy(h.queues[0], 16);
    b.command = io(io_opcode::read, 2);
    run(100ms);
    EXPECT_NEAR(b.done, 100, 4);
}

TEST_F(limited_namespace, releases_what_waits_when_its_limit_is_removed) {
    host h = w.make_host(host_a, 2);
    const auto waiting = make_wait(*h.queues[0]);
    const core::ticks before = w.sim.time().now();
    limit({});
    EXPECT_TRUE(w.until([&] { return std::ranges::all_of(waiting, &capsule::answered); }));
    EXPECT_LT(w.sim.time().now() - before, 100'000'000u);
    for (const capsule* c : waiting)
        EXPECT_TRUE(c->status().ok());
}

TEST_F(limited_namespace, serves_what_waits_under_a_new_limit_at_once) {
    host h = w.make_host(host_a, 1);
    const auto waiting = make_wait(*h.queues[0]);
    const core::ticks before = w.sim.time().now();
    limit({.rw_ios_per_sec = 1000});
    EXPECT_TRUE(w.until([&] { return std::ranges::all_of(waiting, &capsule::answered); }));
    EXPECT_LT(w.sim.time().now() - before, 100'000'000u);
}

TEST_F(limited_namespace, does_not_spin_while_commands_wait) {
    host h = w.make_host(host_a, 1);
    const auto waiting = make_wait(*h.queues[0], 2);
    const auto steps = w.sim.steps();
    EXPECT_TRUE(w.until([&] { return std::ranges::all_of(waiting, &capsule::answered); }));
    EXPECT_LT(w.sim.steps() - steps, 1000u);  // two seconds
}

TEST_F(limited_namespace, lets_waiting_commands_be_aborted) {
    host h = w.make_host(host_a, 1);
    const auto waiting = make_wait(*h.queues[0]);
    const capsule& a = h.admin->call(abort(1, waiting[1]->command.cid));
    EXPECT_EQ(a.dw0() & 1, 0u);
    EXPECT_TRUE(waiting[1]->status().is(sc::aborted_by_request));
    limit({});
    EXPECT_TRUE(w.until([&] { return std::ranges::all_of(waiting, &capsule::answered); }));
    EXPECT_TRUE(waiting[0]->status().ok());
    EXPECT_TRUE(waiting[2]->status().ok());
    EXPECT_EQ(waiting[1]->answers, 1u);
}

TEST_F(limited_namespace, loses_what_waits_with_its_connection) {
    host h = w.make_host(host_a, 1), other = w.make_host(host_b, 1);
    const auto waiting = make_wait(*h.queues[0]);
    h.queues[0]->drop();
    EXPECT_TRUE(w.until([&] { return h.queues[0]->gone; }));
    for (const capsule* c : waiting)
        EXPECT_FALSE(c->answered);
    EXPECT_TRUE(other.queues[0]->call(io(io_opcode::read, 1), bytes(512)).status().ok());
}

TEST_F(limited_namespace, loses_what_waits_when_its_controller_is_reset) {
    host h = w.make_host(host_a, 2);
    make_wait(*h.queues[0]);
    make_wait(*h.queues[1]);
    h.admin->call(property_set(nvme::property::cc, 0));
    EXPECT_TRUE(w.until([&] { return h.queues[0]->gone && h.queues[1]->gone; }));
    EXPECT_TRUE(w.until([&] { return !h.csts().rdy(); }));
}

TEST_F(limited_namespace, answers_what_waits_when_it_is_removed) {
    host h = w.make_host(host_a, 2);
    auto waiting = make_wait(*h.queues[0]);
    waiting.push_back(&h.queues[1]->send(io(io_opcode::read, 1), bytes(512)));
    EXPECT_TRUE(w.until([&] { return waiting.back()->deferred; }));
    EXPECT_TRUE(w.run(s.namespaces().remove(1)));
    EXPECT_TRUE(w.until([&] { return std::ranges::all_of(waiting, &capsule::answered); }));
    for (const capsule* c : waiting)
        EXPECT_TRUE(c->status().is(sc::invalid_namespace_or_format));
    EXPECT_EQ(disk->claimed_by(), nullptr);
}

TEST_F(limited_namespace, delays_neither_flush_nor_admin_commands) {
    host h = w.make_host(host_a, 1);
    const auto waiting = make_wait(*h.queues[0]);
    EXPECT_TRUE(h.queues[0]->call(io(io_opcode::flush, 1)).status().ok());
    EXPECT_TRUE(h.admin->call(admin(nvme::admin_opcode::keep_alive)).status().ok());
    EXPECT_TRUE(h.admin->call(identify(nvme::cns::ns, 1), bytes(4096)).status().ok());
    EXPECT_TRUE(waiting[0]->deferred);
}

TEST_F(limited_namespace, charges_nothing_for_what_it_refuses) {
    limit({.rw_ios_per_sec = 1});
    host h = w.make_host(host_a, 1);
    for (int i = 0; i < 5; ++i)
        EXPECT_TRUE(h.queues[0]->call(io(io_opcode::read, 1, 1u << 20), bytes(512)).status().is(sc::lba_out_of_range));
    h.queues[0]->call(io(io_opcode::read, 1), bytes(512));
    EXPECT_EQ(throttled(), 0u);
}

TEST_F(limited_namespace, lets_a_fused_pair_wait_until_there_is_credit_for_both_halves) {
    limit({.rw_ios_per_sec = 10});
    host h = w.make_host(host_a, 1);
    connection& q = *h.queues[0];
    q.call(io(io_opcode::read, 1), bytes(512));
    const core::ticks before = w.sim.time().now();
    const pair p = send_pair(q);
    EXPECT_TRUE(w.until([&] { return p.deferred(); }));
    EXPECT_TRUE(w.until([&] { return !p.first->deferred || !p.second->deferred; }));
    EXPECT_GT(w.sim.time().now() - before, 190'000'000u);
    EXPECT_FALSE(p.first->deferred || p.second->deferred);
    EXPECT_TRUE(w.until([&] { return p.answered(); }));
    EXPECT_TRUE(p.first->status().ok());
    EXPECT_TRUE(p.second->status().ok());
    EXPECT_LT(w.sim.time().now() - before, 250'000'000u);
    q.call(io(io_opcode::read, 1), bytes(512));
    EXPECT_GT(w.sim.time().now() - before, 290'000'000u);
    EXPECT_EQ(throttled(), 3u);
}

TEST_F(limited_namespace, lets_a_fused_pair_pass_where_there_is_credit) {
    limit({.rw_ios_per_sec = 1'000'000, .rw_mbytes_per_sec = 1000});
    host h = w.make_host(host_a, 1);
    EXPECT_GT(pairs_in(*h.queues[0], 2ms, 1, 1), 10u);
    EXPECT_EQ(throttled(), 0u);
}

TEST_F(limited_namespace, holds_fused_pairs_to_every_limit) {
    const struct {
        bdev::rate_limits limits;
        unsigned per_second;
    } rows[] = {
        {{.rw_ios_per_sec = 100}, 50},
        {{.rw_mbytes_per_sec = 4}, 32},
        {{.r_mbytes_per_sec = 4}, 64},
        {{.w_mbytes_per_sec = 4}, 64},
        {{.r_mbytes_per_sec = 8, .w_mbytes_per_sec = 4}, 64},
        {{.r_mbytes_per_sec = 4, .w_mbytes_per_sec = 5}, 64},
    };
    for (const auto& row : rows) {
        host h = w.make_host(host_a, 1);
        limit(row.limits);
        EXPECT_NEAR(pairs_in(*h.queues[0], 1s, 8, 128), row.per_second, 4);
        limit({});
    }
}

TEST_F(limited_namespace, shares_by_what_fused_pairs_cost) {
    limit({.rw_ios_per_sec = 4000});
    host a = w.make_host(host_a, 1), b = w.make_host(host_b, 1);
    const busy_queue& reads = add_busy(b.queues[0], 16);
    EXPECT_NEAR(pairs_in(*a.queues[0], 500ms, 8, 1), 500, 30);
    EXPECT_NEAR(reads.done, 1000, 60);
}

TEST_F(limited_namespace, lets_the_second_half_pass_if_the_first_has_waited_for_both) {
    host h = w.make_host(host_a, 1);
    connection& q = *h.queues[0];
    limit({.rw_ios_per_sec = 10});
    q.call(io(io_opcode::read, 1), bytes(512));
    capsule& first = send_first(q);
    EXPECT_TRUE(w.until([&] { return first.deferred; }));
    EXPECT_TRUE(w.until([&] { return !first.deferred; }));
    EXPECT_FALSE(first.answered);
    const core::ticks before = w.sim.time().now();
    capsule& second = send_second(q);
    EXPECT_TRUE(w.until([&] { return first.answered && second.answered; }));
    EXPECT_TRUE(first.status().ok());
    EXPECT_TRUE(second.status().ok());
    EXPECT_LT(w.sim.time().now() - before, 10'000'000u);
}

/// The first one takes it, as always, although the second has been there for as long.
TEST_F(limited_namespace, lets_the_halves_of_a_pair_that_has_waited_share_one_buffer) {
    host h = w.make_host(host_a, 1);
    connection& q = *h.queues[0];
    make_wait(q, 1);
    const pair p = send_pair(q);
    EXPECT_TRUE(w.until([&] { return p.deferred(); }));
    q.hold = true;
    limit({});
    EXPECT_TRUE(w.until([&] { return p.first->held && p.second->held; }));
    EXPECT_EQ(q.qpair->buffer_length_of(*p.first), 1024u);
    EXPECT_EQ(q.qpair->buffer_length_of(*p.second), 512u);
    EXPECT_EQ(p.second->other_half(), p.first);
    q.execute_held(*p.second);
    q.execute_held(*p.first);
    EXPECT_TRUE(w.until([&] { return p.answered(); }));
    EXPECT_TRUE(p.first->status().ok());
    EXPECT_TRUE(p.second->status().ok());
}

TEST_F(limited_namespace, ends_both_halves_of_a_waiting_pair_if_one_is_aborted) {
    host h = w.make_host(host_a, 1);
    connection& q = *h.queues[0];
    make_wait(q);
    for (const bool first_is_aborted : {true, false}) {
        SCOPED_TRACE(first_is_aborted);
        limit({.rw_ios_per_sec = 1});
        q.call(io(io_opcode::read, 1), bytes(512));
        const pair p = send_pair(q);
        EXPECT_TRUE(w.until([&] { return p.deferred(); }));
        capsule &aborted = first_is_aborted ? *p.first : *p.second, &other = first_is_aborted ? *p.second : *p.first;
        EXPECT_EQ(h.admin->call(abort(1, aborted.command.cid)).dw0() & 1, 0u);
        EXPECT_TRUE(aborted.status().is(sc::aborted_by_request));
        limit({});
        EXPECT_TRUE(w.until([&] { return other.answered; }));
        EXPECT_TRUE(other.status().is(sc::aborted_failed_fused));
    }
}

TEST_F(limited_namespace, fails_a_waiting_first_half_whose_second_does_not_come) {
    host h = w.make_host(host_a, 1);
    connection& q = *h.queues[0];
    limit({.rw_ios_per_sec = 10});
    q.call(io(io_opcode::read, 1), bytes(512));
    capsule& first = send_first(q);
    capsule& other = q.send(io(io_opcode::read, 1), bytes(512));
    EXPECT_TRUE(w.until([&] { return first.answered && other.answered; }));
    EXPECT_TRUE(first.status().is(sc::aborted_missing_fused));
    EXPECT_TRUE(other.status().ok());
}

TEST_F(limited_namespace, fails_a_waiting_first_half_whose_second_is_wrong) {
    host h = w.make_host(host_a, 1);
    connection& q = *h.queues[0];
    limit({.rw_ios_per_sec = 10});
    q.call(io(io_opcode::read, 1), bytes(512));
    capsule& first = send_first(q);
    capsule& second = q.call(fused(io(io_opcode::write, 1, 7), fuse::second), bytes(512));
    EXPECT_TRUE(second.status().is(sc::invalid_field));
    EXPECT_TRUE(w.until([&] { return first.answered; }));
    EXPECT_TRUE(first.status().is(sc::aborted_failed_fused));
}

TEST_F(limited_namespace, loses_a_waiting_pair_with_its_connection_and_answers_it_when_it_is_removed) {
    host h = w.make_host(host_a, 2);
    make_wait(*h.queues[0], 1);
    const pair lost = send_pair(*h.queues[0]), stays = send_pair(*h.queues[1]);
    EXPECT_TRUE(w.until([&] { return lost.deferred() && stays.deferred(); }));
    h.queues[0]->drop();
    EXPECT_TRUE(w.until([&] { return h.queues[0]->gone; }));
    EXPECT_FALSE(lost.first->answered || lost.second->answered);
    EXPECT_TRUE(w.run(s.namespaces().remove(1)));
    EXPECT_TRUE(w.until([&] { return stays.answered(); }));
    EXPECT_TRUE(stays.first->status().is(sc::invalid_namespace_or_format));
    EXPECT_TRUE(stays.second->status().is(sc::aborted_failed_fused));
}

TEST_F(limited_namespace, ends_keep_alive_and_admin_commands_at_once_while_fused_pairs_wait) {
    host h = w.make_host(host_a, 1);
    make_wait(*h.queues[0], 1);
    const pair p = send_pair(*h.queues[0]);
    EXPECT_TRUE(w.until([&] { return p.deferred(); }));
    EXPECT_TRUE(h.admin->call(admin(nvme::admin_opcode::keep_alive)).status().ok());
    EXPECT_TRUE(h.admin->call(identify(nvme::cns::ns, 1), bytes(4096)).status().ok());
    EXPECT_TRUE(h.queues[0]->call(io(io_opcode::flush, 1)).status().ok());
    EXPECT_TRUE(p.deferred());
}

TEST_F(limited_namespace, charges_a_copy_for_what_it_reads_and_writes) {
    limit({.rw_mbytes_per_sec = 1});
    host h = w.make_host(host_a, 1);
    connection& q = *h.queues[0];
    nvme::copy_range from{};
    from.slba = 1024;
    from.nlb = 255;
    nvme::command copy = io(io_opcode::copy, 1);
    copy.cdw12 = 0;
    EXPECT_TRUE(q.call(copy, raw(from)).status().ok());
    const core::ticks before = w.sim.time().now();
    q.call(io(io_opcode::read, 1), bytes(512));
    EXPECT_GT(w.sim.time().now() - before, 240'000'000u);  // 2 × 128 KiB
}

TEST_F(limited_namespace, is_checked_again_when_a_command_goes_on) {
    host h = w.make_host(host_a, 1);
    limit({.rw_ios_per_sec = 1});
    connection& q = *h.queues[0];
    q.call(io(io_opcode::read, 1), bytes(512));
    const capsule& waits = q.send(io(io_opcode::write, 1), bytes(512));
    EXPECT_TRUE(w.until([&] { return waits.deferred; }));
    const std::uint64_t admission = next_admission();
    w.run(core::for_each_reactor(w.sim.group(), [&](core::reactor& r) {
        core_namespace& ns = s.namespaces().all().at(1)->on_core(r.index());
        ns.refusals |= refusal::read_only;
        ns.admission = admission;
    }));
    EXPECT_TRUE(w.until([&] { return waits.answered; }));
    EXPECT_TRUE(waits.status().is(sc::namespace_is_write_protected));
}

TEST_F(limited_namespace, is_shared_by_weight) {
    limit({.rw_ios_per_sec = 20'000});
    EXPECT_TRUE(share(host_a, {.weight = 3}));
    host a = w.make_host(host_a, 2), b = w.make_host(host_b, 1);
    for (connection* q : a.queues)
        add_busy(q, 32);
    const busy_queue& one = add_busy(b.queues[0], 32);
    run(200ms);
    EXPECT_NEAR(one.done, 1000, 50);
    EXPECT_NEAR(busy[0].done + busy[1].done, 3000, 100);
}

TEST_F(limited_namespace, limits_one_host_and_no_other) {
    EXPECT_TRUE(share(host_a, {.limits = {.rw_ios_per_sec = 1000}}));
    host a = w.make_host(host_a, 3), b = w.make_host(host_b, 1);
    for (connection* q : a.queues)
        add_busy(q, 8);
    const busy_queue& free = add_busy(b.queues[0], 1);
    run(200ms);
    EXPECT_NEAR(busy[0].done + busy[1].done + busy[2].done, 200, 8);
    EXPECT_GT(free.done, 2000u);
}

TEST_F(limited_namespace, keeps_its_own_limits_and_those_of_a_host) {
    limit({.rw_ios_per_sec = 10'000});
    host a = w.make_host(host_a, 1), b = w.make_host(host_b, 1);
    add_busy(a.queues[0], 16);
    add_busy(b.queues[0], 16);
    EXPECT_TRUE(share(host_a, {.limits = {.rw_ios_per_sec = 1000}}));
    run(20ms);
    busy[0].done = busy[1].done = 0;
    run(200ms);
    EXPECT_NEAR(busy[0].done, 200, 8);
    EXPECT_NEAR(busy[1].done, 1800, 60);
}

TEST_F(limited_namespace, releases_what_waits_for_a_limit_of_its_host_when_that_is_removed) {
    EXPECT_TRUE(share(host_a, {.limits = {.rw_ios_per_sec = 1}}));
    host a = w.make_host(host_a, 1);
    std::vector<capsule*> sent;
    for (int i = 0; i < 4; ++i)
        sent.push_back(&a.queues[0]->send(io(io_opcode::read, 1), bytes(512)));
    w.pass(5ms);
    EXPECT_TRUE(std::ranges::any_of(sent, &capsule::deferred));
    EXPECT_TRUE(share(host_a, {}));
    w.pass(5ms);
    EXPECT_TRUE(std::ranges::all_of(sent, &capsule::answered));
    EXPECT_TRUE(s.namespaces().all().at(1)->host_shares().empty());
    EXPECT_FALSE(share("", {}));
    EXPECT_FALSE(share(host_a, {.weight = 0}));
}

TEST_F(limited_namespace, comes_and_goes_with_hosts_and_limits_in_any_order) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        nvmf_fixture x(seed, 3);
        subsystem& sub = x.make_subsystem();
        auto device = x.make_memory("d");
        x.add(sub, "d");
        std::vector<host> hosts{x.make_host(host_a, 3), x.make_host(host_b, 2)};
        for (int round = 0; round < 12; ++round) {
            x.run(device->set_limits({.rw_ios_per_sec = x.sim.random().below(3) * 2000}));
            EXPECT_TRUE(x.run(sub.namespaces().all().at(1)->set_host_share(
                host_a, {.limits = {.rw_ios_per_sec = x.sim.random().below(2) * 1000}})));
            for (host& h : hosts)
                for (connection* q : h.queues)
                    for (int i = 0; i < 20; ++i) {
                        q->send(io(i % 2 ? io_opcode::read : io_opcode::write, 1), bytes(512));
                        if (i % 4 == 0)
                            send_pair(*q);
                        if (i % 8 == 0)
                            send_first(*q);
                    }
            x.pass(core::nanoseconds(x.sim.random().below(5'000'000)));
            if (round == 5)
                hosts[1].queues[0]->drop();
        }
        EXPECT_TRUE(x.run(sub.namespaces().remove(1)));
        x.pass(10ms);
        for (const auto& c : x.connections)
            for (const auto& each : c->capsules)
                EXPECT_EQ(each->answers, each->answered || !c->closed ? 1u : 0u);
    }
}

core::task<> count_down(core::task<> t, unsigned& running) {
    co_await std::move(t);
    --running;
}

core::task<> without_result(core::task<core::result<>> t) {
    static_cast<void>(co_await std::move(t));
}

/// Nobody waits for anybody: tickets, grants and cancellations are on their way when the next change begins.
TEST_F(limited_namespace, ends_in_order_whatever_changes_at_the_same_time) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE(seed);
        nvmf_fixture x(seed, 3);
        subsystem& sub = x.make_subsystem();
        auto device = x.make_memory("d");
        x.add(sub, "d");
        x.run(device->set_limits({.rw_ios_per_sec = 1000}));
        std::vector<host> hosts{x.make_host(host_a, 3), x.make_host(host_b, 3)};
        for (host& h : hosts) {
            for (connection* q : h.queues) {
                send_pair(*q);
                for (int i = 0; i < 10; ++i)
                    q->send(io(i % 2 ? io_opcode::read : io_opcode::write, 1), bytes(512));
            }
        }
        x.pass(core::nanoseconds(x.sim.random().below(2'000'000)));
        nvm_namespace& ns = *sub.namespaces().all().at(1);
        unsigned running = 0;
        const auto begin = [&](core::task<> t) {
            ++running;
            core::detach(count_down(std::move(t), running));
        };
        hosts[0].queues[0]->drop();
        x.at_control([&] {
            begin(device->set_limits({.rw_ios_per_sec = x.sim.random().below(2) * 10}));
            begin(without_result(ns.set_host_share(host_a, {.limits = {.rw_ios_per_sec = 5}, .weight = 2})));
            begin(device->set_limits({.w_mbytes_per_sec = 1}));
            begin(without_result(ns.set_host_share(host_a, {})));
        });
        hosts[1].queues[1]->drop();
        hosts[1].admin->send(property_set(nvme::property::cc, 0));
        x.pass(core::nanoseconds(x.sim.random().below(200'000)));
        x.at_control([&] { begin(without_result(sub.namespaces().remove(1))); });
        hosts[0].queues[1]->drop();
        EXPECT_TRUE(x.until([&] { return running == 0; }));
        EXPECT_EQ(device->claimed_by(), nullptr);
        EXPECT_TRUE(x.until([&] {
            return std::ranges::all_of(hosts[0].queues[2]->capsules, [](const auto& c) { return c->answered; });
        }));
    }
}

}  // namespace
}  // namespace causeway::nvmf::test
