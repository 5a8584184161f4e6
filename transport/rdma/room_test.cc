// SPDX-License-Identifier: Apache-2.0
// Who has room, how much memory that takes, and what comes back from whom.

#include "transport/rdma/qpair.h"
#include "transport/rdma/testing/rdma_fixture.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

namespace causeway::rdma::test {
namespace {

using namespace std::chrono_literals;

bool accepted(const std::unique_ptr<host_queue>& q) {
    return q->end().is == host_end::state::accepted;
}

transport_options receives_per_core(std::uint32_t n) {
    transport_options o = small_options();
    o.max_srq_depth = n;
    return o;
}

constexpr std::uint32_t crowd = 0x0a020001;

/// I/O queues of depth 128 of one address, all asked for at once: before the first of them is closed for not sending
/// Connect.
std::vector<host_end*> open_many(rdma_fixture& w, unsigned n, std::uint32_t from = crowd) {
    nvme::rdma_cm_request r{};
    r.qid = std::uint16_t{1};
    r.hrqsize = std::uint16_t{128};
    r.hsqsize = std::uint16_t{127};
    std::vector<host_end*> ends;
    while (ends.size() < n)
        ends.push_back(w.fabric.request(w.here.traddr, 4420, r, 16, from));
    EXPECT_TRUE(w.until([&] {
        return std::none_of(ends.begin(), ends.end(), [](host_end* e) { return e->is == host_end::state::requesting; });
    }));
    return ends;
}

TEST(room, a_queue_goes_to_a_core_that_has_room_and_is_refused_when_none_has) {
    rdma_fixture w(1, receives_per_core(64));
    std::vector<std::unique_ptr<host_queue>> held;
    held.push_back(w.open(1, 64, 0, 16, crowd));  // one queue, and its core is full
    for (int i = 0; i < 16; ++i) {                // the others have more queues, and room
        held.push_back(w.open(1, 8));
        ASSERT_TRUE(accepted(held.back())) << i;
    }
    const auto last = w.open(1, 8, 0, 16, crowd);
    EXPECT_EQ(last->end().is, host_end::state::rejected);
    EXPECT_EQ(last->end().status, nvme::to_underlying(nvme::rdma_cm_status::no_resources));
    EXPECT_EQ(w.homes.count(core::lease_kind::io_queue), held.size()) << "the refused one counts on no core";
}

TEST(room, a_core_that_cannot_grow_sends_connections_to_the_next) {
    device_options d;
    d.resizes_queues = false;
    rdma_fixture w(1, receives_per_core(32768), d);
    const auto ends = open_many(w, 150);
    EXPECT_EQ(std::count_if(ends.begin(), ends.end(), [](host_end* e) { return e->is == host_end::state::accepted; }),
              3 * (16384 / (128 + 2 * 128 + 16)));
    EXPECT_EQ(w.homes.count(core::lease_kind::io_queue), 3u * (16384 / (128 + 2 * 128 + 16)))
        << "nor does one that no core has admitted";
}

std::ptrdiff_t count(const std::vector<host_end*>& ends, host_end::state s) {
    return std::count_if(ends.begin(), ends.end(), [s](host_end* e) { return e->is == s; });
}

/// Of which completion queues that cannot grow have room for 120 queue pairs.
rdma_fixture with_room_for_120() {
    device_options d;
    d.resizes_queues = false;
    return rdma_fixture(1, receives_per_core(32768), d);
}

/// In less than the 15 s after which those who do not send Connect are closed.
TEST(room, strangers_of_one_address_make_room_for_hosts_of_others) {
    rdma_fixture w = with_room_for_120();
    const auto strangers = open_many(w, 150);
    ASSERT_EQ(count(strangers, host_end::state::accepted), 120);
    const core::ticks before = w.sim.time().now();
    host newcomer = w.make_host(nqn, 128);
    EXPECT_TRUE(newcomer.io->call(read(0, 8), 4096));
    EXPECT_LT(w.sim.time().to_nanoseconds(w.sim.time().now() - before), 1s);
    EXPECT_GE(count(strangers, host_end::state::closed), 1);
    EXPECT_LE(count(strangers, host_end::state::closed), 2) << "no more of them go than there are newcomers";

    for (int i = 0; i < 200; ++i)
        ASSERT_TRUE(accepted(w.open(1, 128, 0, 16, 0x0a030001 + static_cast<std::uint32_t>(i)))) << i;
    EXPECT_TRUE(newcomer.io->call(read(0, 8), 4096)) << "who has connected stays";
}

/// 2,000 requests of one address, none of them accepted yet, and a host.
TEST(room, requests_of_one_address_do_not_keep_a_host_from_being_accepted) {
    device_options d;
    d.host_memory = 4096;
    rdma_fixture w(1, small_options(), d);
    const auto counted = [&w](std::string_view name) { return w.target.counter_list().total("requests", name); };
    nvme::rdma_cm_request r{};
    r.qid = std::uint16_t{1};
    r.hrqsize = std::uint16_t{8};
    r.hsqsize = std::uint16_t{7};
    std::vector<host_end*> strangers;
    while (strangers.size() < 2000)
        strangers.push_back(w.fabric.request(w.here.traddr, 4420, r, 16, crowd));
    ASSERT_TRUE(w.until([&] { return counted("refused_requests").value_or(0) != 0; })) << "it is full";
    const auto q = w.open(0, 32);
    EXPECT_TRUE(accepted(q));
    EXPECT_EQ(counted("dropped_requests"), 1u);
    EXPECT_GE(count(strangers, host_end::state::requesting), 800) << "it did not wait for them";
    EXPECT_TRUE(w.until([&] { return count(strangers, host_end::state::requesting) == 0; }));
}

TEST(room, strangers_of_many_addresses_make_room_for_who_has_less_than_its_share) {
    rdma_fixture w(1, receives_per_core(64));
    std::vector<std::unique_ptr<host_queue>> held;
    for (int i = 0; i < 24; ++i)
        held.push_back(w.open(1, 8));
    EXPECT_EQ(w.open(1, 8, 0, 16, crowd)->end().is, host_end::state::rejected) << "a share is 7 now";
    EXPECT_TRUE(accepted(w.open(1, 4, 0, 16, crowd)));
    EXPECT_TRUE(held[0]->closed());
    EXPECT_FALSE(held[1]->closed());
}

TEST(room, one_address_leaves_room_for_others) {
    constexpr std::uint32_t greedy = crowd;
    rdma_fixture w(1, receives_per_core(128));
    std::vector<std::unique_ptr<host_queue>> held;
    for (int i = 0; i < 20; ++i)
        held.push_back(w.open(0, 32, 0, 16, greedy));
    EXPECT_EQ(std::count_if(held.begin(), held.end(), accepted), 3 * 128 / 2 / 32);
    EXPECT_TRUE(accepted(w.open(0, 32)));
    for (auto& q : held)
        q->end().disconnect();
    ASSERT_TRUE(w.until([&] { return w.fabric.objects["qp"] == 1; }));
    w.pass(1ms);
    EXPECT_TRUE(accepted(w.open(0, 32, 0, 16, greedy)));
}

/// Its host gives up and comes back every 40 seconds, with a queue full of writes. They hold what they have, and it
/// comes to its share; others do not notice.
TEST(room, a_host_that_reconnects_to_a_hung_disk_for_ever_uses_up_no_core) {
    constexpr std::uint32_t returning = 0x0a020001;
    rdma_fixture w(1, receives_per_core(256));
    w.hang(true);
    unsigned connected = 0;
    for (int cycle = 0; cycle < 60; ++cycle) {
        auto admin = w.open(0, 32, 0, 16, returning);
        if (accepted(admin) && w.enable(*admin, slow_nqn)) {
            auto io = w.open(1, 32, admin->cntlid, 16, returning);
            if (accepted(io) && io->connect(slow_nqn, 31, admin->cntlid).ok()) {
                ++connected;
                for (int i = 0; i < 31; ++i)
                    io->send(i % 4 ? write(0, 8) : read(0, 64), i % 4 ? 4096 : 64 * block, 0,
                             i % 4 ? how::in_capsule : how::keyed);
                w.pass(10ms);
            }
            io->end().disconnect();
        }
        admin->end().disconnect();
        w.pass(40s);
        if (cycle % 20 == 19) {
            host other = w.make_host(nqn, 64);
            for (int i = 0; i < 64; ++i)
                other.io->send(write(100, 8), 4096, 0, how::in_capsule);
            EXPECT_TRUE(w.until([&] { return other.io->end().responses.size() == 64; })) << cycle;
            EXPECT_EQ(other.io->end().not_ready, 0u);
            other.io->end().disconnect();
            other.admin->end().disconnect();
        }
    }
    EXPECT_GT(connected, 12u);
    w.hang(false);
    ASSERT_TRUE(w.until([&] { return w.fabric.objects["qp"] == 0; }));
    w.pass(1s);
    host back = w.make_host(slow_nqn);
    EXPECT_TRUE(back.io->call(read(0, 8), 4096));
}

std::size_t registered(rdma_fixture& w) {
    std::size_t bytes = 0;
    for (const auto& [key, mr] : w.fabric.regions)
        bytes += mr->length;
    return bytes;
}

/// The figures of the README.
TEST(room, an_idle_queue_of_depth_128_costs_little_and_a_busy_one_what_it_uses) {
    rdma_fixture w(1, receives_per_core(131072));
    open_many(w, 60);
    const std::size_t before = registered(w);
    open_many(w, 240);
    ASSERT_EQ(w.fabric.objects["qp"], 300);
    const std::size_t idle = (registered(w) - before) / 240 + sizeof(qpair);
    RecordProperty("bytes_of_an_idle_queue", std::to_string(idle));
    RecordProperty("bytes_of_a_request", std::to_string(sizeof(request)));
    EXPECT_LT(idle, 105'000u);
    EXPECT_LT(w.fabric.receives_posted(), 3u * (100 * 16 + 1024));

    w.hang(true);
    host busy = w.make_host(slow_nqn, 128);
    for (int i = 0; i < 128; ++i)
        busy.io->send(write(0, 8), 4096, 0, how::in_capsule);
    w.pass(200ms);
    EXPECT_EQ(busy.io->end().not_ready, 0u);
    EXPECT_GE(w.fabric.receives_posted(), 300u * 16) << "it holds its own receives, and nobody else's";
    w.hang(false);
    EXPECT_TRUE(w.until([&] { return busy.io->end().responses.size() == 128; }));
}

TEST(room, receives_that_a_queue_does_not_use_any_more_are_claimed_by_nobody) {
    rdma_fixture w(1, receives_per_core(131072));
    host busy = w.make_host(slow_nqn, 128);
    std::vector<host> others(40);  // so that more is promised than is posted
    for (host& h : others)
        h = w.make_host(nqn, 128);
    const auto before = w.fabric.receives_posted();
    w.hang(true);
    for (int i = 0; i < 128; ++i)
        busy.io->send(write(0, 8), 4096, 0, how::in_capsule);
    w.pass(200ms);
    w.hang(false);
    EXPECT_TRUE(w.until([&] { return busy.io->end().responses.size() == 128; }));
    EXPECT_EQ(w.fabric.receives_posted(), before + 128 - 16);
    const auto use_a_few = [&] {
        for (int i = 0; i < 200; ++i)
            EXPECT_TRUE(busy.io->call(write(0, 8), 4096, 0, how::in_capsule));
    };
    use_a_few();
    EXPECT_EQ(w.fabric.receives_posted(), before + 128 - 16) << "it may be as busy again";
    w.pass(2min + 1s);
    use_a_few();
    EXPECT_EQ(w.fabric.receives_posted(), before);
}

TEST(room, a_connection_without_memory_for_its_receives_is_refused_and_those_that_are_there_go_on) {
    rdma_fixture w(1, receives_per_core(131072));
    w.hang(true);
    host busy = w.make_host(slow_nqn, 128);
    open_many(w, 60);
    w.fabric.options.registers_memory = false;
    const auto without = open_many(w, 120);  // what has been made is enough for some of them
    const auto refused =
        std::find_if(without.begin(), without.end(), [](host_end* e) { return e->is == host_end::state::rejected; });
    ASSERT_NE(refused, without.end());
    EXPECT_EQ((*refused)->status, nvme::to_underlying(nvme::rdma_cm_status::no_resources));
    for (int i = 0; i < 128; ++i)
        busy.io->send(write(0, 8), 4096, 0, how::in_capsule);
    w.pass(200ms);
    EXPECT_FALSE(busy.io->closed()) << "the cushion has them";
    w.fabric.options.registers_memory = true;
    EXPECT_TRUE(accepted(w.open(1, 128)));
    w.hang(false);
    EXPECT_TRUE(w.until([&] { return busy.io->end().responses.size() == 128; }));
}

}  // namespace
}  // namespace causeway::rdma::test
