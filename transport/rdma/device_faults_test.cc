// SPDX-License-Identifier: Apache-2.0
// What a device does wrong, or late, and what may not come of it.

#include "transport/rdma/testing/rdma_fixture.h"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>

namespace causeway::rdma::test {
namespace {

constexpr std::uint32_t blocks = 64, bytes = blocks * block;
constexpr unsigned victims = 4;  // commands of the good host: one has the queue pair's own buffer, the others wait
constexpr auto mine = std::byte{0xaa}, others = std::byte{0xbb}, untouched = std::byte{0xee};

void set(host_queue& q, std::uint32_t offset, std::byte with) {
    std::memset(q.memory(offset), static_cast<int>(with), bytes);
}

std::ptrdiff_t count(host_queue& q, std::uint32_t offset, std::byte what) {
    return std::count(q.memory(offset), q.memory(offset) + bytes, what);
}

/// One buffer for all: what a connection gives back too early, the other one gets at once.
transport_options one_buffer() {
    transport_options o = small_options();
    o.small_buffers = o.large_buffers = 1;
    return o;
}

/// A host whose chain is refused, and others, one of them on its core.
struct neighbours {
    explicit neighbours(std::uint64_t seed) : w(seed, one_buffer()), bad(w.make_host()) {
        for (int i = 0; i < 3; ++i)
            good.push_back(w.make_host());
        for (host& g : good)
            for (unsigned i = 0; i < victims; ++i)
                set(*g.io, i * bytes, others);
    }
    void write_all() {
        for (host& g : good)
            for (unsigned i = 0; i < victims; ++i)
                g.io->send(write(1000 + i * blocks, blocks), bytes, i * bytes);
    }
    void wait() {
        EXPECT_TRUE(w.until([&] {
            return bad.io->closed() && std::all_of(good.begin(), good.end(),
                                                   [](host& g) { return g.io->end().responses.size() == victims; });
        }));
    }

    rdma_fixture w;
    host bad;
    std::vector<host> good;
};

TEST(device_faults, a_write_whose_reads_are_taken_in_part_reads_into_no_other_hosts_write) {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        SCOPED_TRACE(seed);
        neighbours n(seed);
        set(*n.bad.io, 0, mine);
        n.bad.io->end().next_post_is_refused = true;
        n.bad.io->send(write(0, blocks), bytes, 0, how::listed);
        n.write_all();
        n.wait();
        host_queue& reader = *n.good.front().io;
        for (unsigned i = 0; i < victims; ++i) {
            const auto c = reader.call(read(1000 + i * blocks, blocks), bytes, 500'000);
            ASSERT_TRUE(c && c->status().ok());
            EXPECT_EQ(count(reader, 500'000, others), bytes) << "another host's bytes were written";
        }
    }
}

TEST(device_faults, a_read_whose_response_is_refused_sends_no_other_hosts_data) {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        SCOPED_TRACE(seed);
        neighbours n(seed);
        host_queue& bad = *n.bad.io;
        set(bad, 0, mine);
        ASSERT_TRUE(bad.call(write(0, blocks), bytes)->status().ok());
        set(bad, 0, untouched);
        bad.end().next_post_is_refused = true;
        bad.send(read(0, blocks), bytes, 0, how::listed);
        n.write_all();
        n.wait();
        EXPECT_EQ(count(bad, 0, others), 0) << "another host's bytes were sent";
        EXPECT_EQ(count(bad, 0, mine) + count(bad, 0, untouched), bytes);
    }
}

bool all_given_back(rdma_fixture& w) {
    return std::all_of(w.fabric.objects.begin(), w.fabric.objects.end(), [](const auto& kind_and_count) {
        return kind_and_count.first == "event channel" || kind_and_count.second == 0;
    });
}

/// The context stays while its objects are released, and a wildcard listener goes on: hosts come by it meanwhile.
TEST(device_faults, hosts_that_come_while_a_lost_device_is_given_back_come_again) {
    using namespace std::chrono_literals;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        SCOPED_TRACE(seed);
        rdma_fixture w(seed);
        host h = w.make_host();
        for (int i = 0; i < 16; ++i)
            h.io->send(read(0, 64), 64 * block);
        w.fabric.fail_completion_queue();
        nvme::rdma_cm_request r{};
        r.hrqsize = std::uint16_t{32};
        r.hsqsize = std::uint16_t{31};
        std::vector<host_end*> ends;
        for (int i = 0; i < 100; ++i) {
            if (host_end* e = w.fabric.request("10.0.0.1", 4420, r))
                ends.push_back(e);
            w.pass(20us);
        }
        EXPECT_FALSE(ends.empty());
        EXPECT_TRUE(w.until([&] { return h.io->closed(); }));
        w.pass(3s);
        host again = w.make_host();
        const auto c = again.io->call(read(0, 8), 4096);
        EXPECT_TRUE(c && c->status().ok());
    }
}

TEST(device_faults, a_device_that_comes_back_while_commands_of_its_lost_self_hang_can_be_lost_again) {
    using namespace std::chrono_literals;
    rdma_fixture w;
    w.hang(true);
    host h = w.make_host(slow_nqn, 16);
    h.io->send(read(0, 64), 64 * block);
    w.pass(20ms);
    w.fabric.fail_device();
    ASSERT_TRUE(w.until([&] { return all_given_back(w); }));
    w.fabric.restore_device();
    w.pass(2s);
    auto brief = w.open(0, 32);
    brief->end().disconnect();
    ASSERT_TRUE(w.until([&] { return w.fabric.objects["qp"] == 0 && w.fabric.objects["id"] == 1; }));
    w.fabric.remove_device();  // only the listener is there to be told
    EXPECT_TRUE(w.until([&] { return all_given_back(w); })) << "the device that is in use is kept";
    w.fabric.restore_device();
    w.pass(2s);
    host again = w.make_host();
    EXPECT_TRUE(again.io->call(read(0, 8), 4096));
    w.hang(false);
}

/// Nothing of it is in use, so nothing has to be waited for: it is gone before its event has been handled, if it may.
TEST(device_faults, a_device_without_connections_and_listeners_can_fail) {
    device_options d;
    d.attributes.max_qp_wr = 16;  // too few for a queue pair of ours: it is opened, and refuses everyone
    rdma_fixture w(1, small_options(), d);
    EXPECT_EQ(w.open(0, 32)->end().is, host_end::state::rejected);
    for (const std::string& s : {nqn, slow_nqn})
        ASSERT_TRUE(w.run(w.target.find_subsystem(s)->listeners().remove(w.here)));
    w.fabric.fail_device();
    EXPECT_TRUE(w.until([&] { return all_given_back(w); }));
}

}  // namespace
}  // namespace causeway::rdma::test
