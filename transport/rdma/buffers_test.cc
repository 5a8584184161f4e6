// SPDX-License-Identifier: Apache-2.0
// What one connection's commands hold is not what another one needs.

#include "transport/rdma/testing/rdma_fixture.h"

#include <array>
#include <gtest/gtest.h>
#include <utility>
#include <vector>

namespace causeway::rdma::test {
namespace {

/// One buffer of each size, and on each core a host whose disk hangs with as many of them as it can get.
struct scarce_fixture : rdma_fixture {
    static transport_options options() {
        transport_options o = small_options();
        o.small_buffers = o.large_buffers = 1;
        o.max_srq_depth = 4096;
        return o;
    }
    scarce_fixture() : rdma_fixture(1, options()) {
        hang(true);
        for (auto& s : stuck) {
            s = make_host(slow_nqn, 16);
            for (int i = 0; i < 4; ++i)
                s.io->send(read(0, 64), 64 * block);
        }
        pass(std::chrono::milliseconds(50));
    }
    ~scarce_fixture() { hang(false); }
    std::array<host, 3> stuck;
};

nvme::command half(nvme::command c, nvme::io_opcode opcode, nvme::fuse fuse) {
    c.opcode = nvme::to_underlying(opcode);
    c.flags = static_cast<std::uint8_t>(c.flags | nvme::to_underlying(fuse));
    return c;
}

/// Sends a pair whose data do not fit into capsules, all zeroes as the disk is. Its cids.
std::pair<std::uint16_t, std::uint16_t> send_pair(host_queue& q) {
    constexpr std::uint32_t blocks = 10, bytes = blocks * block;
    const auto first = q.send(half(read(0, blocks), nvme::io_opcode::compare, nvme::fuse::first), bytes, 131072);
    const auto second = q.send(half(write(0, blocks), nvme::io_opcode::write, nvme::fuse::second), bytes, 65536);
    return {first, second};
}

bool answered(rdma_fixture& w, host_queue& q, std::uint16_t cid) {
    std::optional<nvme::completion> c;
    return w.until([&] { return (c = q.response(cid)).has_value(); }) && c->status().ok();
}

TEST(buffers, fused_pairs_are_served_while_a_strangers_disk_hangs) {
    scarce_fixture w;
    host other = w.make_host(nqn, 16);
    std::vector<std::pair<std::uint16_t, std::uint16_t>> pairs;
    for (int i = 0; i < 4; ++i)
        pairs.push_back(send_pair(*other.io));
    for (const auto& [first, second] : pairs) {
        EXPECT_TRUE(answered(w, *other.io, first));
        EXPECT_TRUE(answered(w, *other.io, second));
    }
}

TEST(buffers, a_fused_pair_that_has_waited_for_credit_shares_one_buffer) {
    scarce_fixture w;
    w.run(w.devices.find("fast")->set_limits({.rw_ios_per_sec = 100}));
    host other = w.make_host(nqn, 16);
    std::vector<std::pair<std::uint16_t, std::uint16_t>> pairs;
    for (int i = 0; i < 4; ++i)
        pairs.push_back(send_pair(*other.io));
    for (const auto& [first, second] : pairs) {
        EXPECT_TRUE(answered(w, *other.io, first));
        EXPECT_TRUE(answered(w, *other.io, second));
    }
}

TEST(buffers, pairs_that_wait_or_move_their_data_go_with_their_connection) {
    for (unsigned steps = 0; steps < 60; ++steps) {
        scarce_fixture w;
        host other = w.make_host(nqn, 16);
        for (int i = 0; i < 3; ++i)
            send_pair(*other.io);
        for (unsigned i = 0; i < 10 * steps; ++i)
            w.sim.step();
        other.io->end().disconnect();
        EXPECT_TRUE(w.until([&] { return other.io->closed(); }));
    }
}

/// One read of each of `n` hosts at once.
std::vector<std::pair<host, std::uint16_t>> read_at_once(rdma_fixture& w, std::size_t n, const std::string& subsystem) {
    std::vector<std::pair<host, std::uint16_t>> all(n);
    for (auto& [h, cid] : all)
        h = w.make_host(subsystem, 16);
    for (auto& [h, cid] : all)
        cid = h.io->send(read(0, 64), 64 * block);
    return all;
}

TEST(buffers, each_connection_gets_one_of_its_own_when_a_disk_has_those_of_the_pool) {
    scarce_fixture w;
    const auto before = w.slow->hung();
    const auto stuck = read_at_once(w, 40, slow_nqn);
    EXPECT_TRUE(w.until([&] { return w.slow->hung() == before + 40; })) << "one of each connection";
    for (auto& [h, cid] : read_at_once(w, 40, nqn))
        EXPECT_TRUE(answered(w, *h.io, cid));
}

TEST(buffers, connections_take_turns_with_those_that_there_are_where_no_more_can_be_made) {
    scarce_fixture w;
    std::vector<host> hosts;
    for (int i = 0; i < 40; ++i)
        hosts.push_back(w.make_host(nqn, 16));
    w.fabric.options.registers_memory = false;
    for (int round = 0; round < 3; ++round) {
        std::vector<std::uint16_t> cids;
        for (host& h : hosts)
            cids.push_back(h.io->send(read(0, 64), 64 * block));
        for (std::size_t i = 0; i < hosts.size(); ++i)
            EXPECT_TRUE(answered(w, *hosts[i].io, cids[i]));
    }
}

/// Completions of reads, 8 at a time, in so much virtual time.
unsigned completions(rdma_fixture& w, host_queue& q, core::nanoseconds d) {
    unsigned done = 0;
    std::vector<std::uint16_t> cids(8);
    for (auto& cid : cids)
        cid = q.send(read(0, 8), 4096);
    for (core::nanoseconds passed{}; passed < d; passed += std::chrono::microseconds(20)) {
        w.pass(std::chrono::microseconds(20));
        for (auto& cid : cids)
            if (const auto c = q.response(cid)) {
                EXPECT_TRUE(c->status().ok());
                ++done;
                cid = q.send(read(0, 8), 4096);
            }
    }
    for (const auto cid : cids)
        EXPECT_TRUE(answered(w, q, cid));
    return done;
}

TEST(buffers, a_disk_that_hangs_costs_its_neighbour_less_than_a_fifth) {
    transport_options o = small_options();
    o.max_srq_depth = 1024;
    o.small_buffers = 128;
    rdma_fixture w(1, o);
    host good = w.make_host(nqn, 32);
    // They are there from the beginning: the fabric gives each connection its turn, idle or not.
    std::vector<host> stuck;
    for (int i = 0; i < 4; ++i)
        stuck.push_back(w.make_host(slow_nqn, 128));
    const unsigned before = completions(w, *good.io, std::chrono::milliseconds(50));
    EXPECT_GT(before, 100u);
    w.hang(true);
    for (host& s : stuck)
        for (unsigned n = 0; n < 127; ++n)
            s.io->send(read(0, 8), 4096);
    w.pass(std::chrono::milliseconds(20));
    EXPECT_GE(w.slow->hung(), 40u);
    EXPECT_GE(completions(w, *good.io, std::chrono::milliseconds(50)), before * 4 / 5);
    w.hang(false);
    for (auto& s : stuck)
        EXPECT_TRUE(w.until([&] { return s.io->end().responses.size() >= 127; }));
}

}  // namespace
}  // namespace causeway::rdma::test
