// What a device does wrong, or late, and what may not come of it.

#include "transport/rdma/testing/world.h"

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
nvmf::transport_options one_buffer() {
    nvmf::transport_options o = small_options();
    o.small_buffers = o.large_buffers = 1;
    return o;
}

TEST(device_faults, a_write_whose_reads_are_taken_in_part_reads_into_no_other_hosts_write) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE(seed);
        world w(seed, one_buffer());
        host bad = w.make_host(), good = w.make_host();
        set(*bad.io, 0, mine);
        for (unsigned i = 0; i < victims; ++i)
            set(*good.io, i * bytes, others);
        bad.io->end().next_post_is_refused = true;
        bad.io->send(write(0, blocks), bytes, 0, how::listed);
        w.pass(core::nanoseconds(w.sim.random().below(20'000)));
        for (unsigned i = 0; i < victims; ++i)
            good.io->send(write(100 + i * blocks, blocks), bytes, i * bytes);
        EXPECT_TRUE(w.until([&] { return good.io->end().responses.size() == victims && bad.io->closed(); }));
        for (unsigned i = 0; i < victims; ++i) {
            const auto c = good.io->call(read(100 + i * blocks, blocks), bytes, 500'000);
            ASSERT_TRUE(c && c->status().ok());
            EXPECT_EQ(count(*good.io, 500'000, others), bytes) << "another host's bytes were written";
        }
    }
}

TEST(device_faults, a_read_whose_response_is_refused_sends_no_other_hosts_data) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE(seed);
        world w(seed, one_buffer());
        host bad = w.make_host(), good = w.make_host();
        set(*bad.io, 0, mine);
        ASSERT_TRUE(bad.io->call(write(0, blocks), bytes)->status().ok());
        set(*bad.io, 0, untouched);
        set(*good.io, 0, others);
        bad.io->end().next_post_is_refused = true;
        bad.io->send(read(0, blocks), bytes, 0, how::listed);
        for (unsigned i = 0; i < victims; ++i)
            good.io->send(write(100, blocks), bytes);
        EXPECT_TRUE(w.until([&] { return good.io->end().responses.size() == victims && bad.io->closed(); }));
        EXPECT_EQ(count(*bad.io, 0, others), 0) << "another host's bytes were sent";
        EXPECT_EQ(count(*bad.io, 0, mine) + count(*bad.io, 0, untouched), bytes);
    }
}

}  // namespace
}  // namespace causeway::rdma::test
