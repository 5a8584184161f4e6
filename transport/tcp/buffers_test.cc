// SPDX-License-Identifier: Apache-2.0
// What one connection's commands hold is not what another one needs.

#include "bdev/memory_device.h"
#include "nvmf/model/subsystem.h"
#include "transport/tcp/testing/tcp_fixture.h"

#include <algorithm>
#include <array>

namespace causeway::tcp {
namespace {

using namespace test;

transport_options with_buffers(std::uint32_t small) {
    transport_options o;
    o.small_buffers = small;
    o.large_buffers = 1;
    return o;
}

/// Namespace 1 is a disk that hangs, of 4,096-byte blocks; namespace 2 one that does not, of 512.
class buffers : public tcp_fixture {
  protected:
    static constexpr std::uint32_t hung_ns = 1, good_ns = 2;

    explicit buffers(std::uint32_t small = 1) : tcp_fixture(1, with_buffers(small)), hung_disk(add_disk()) {
        auto memory = bdev::memory_device::create(group.control(), "memory", {.block_size = 512, .blocks = 4096},
                                                  bdev::uuid_of_name("memory"));
        EXPECT_TRUE(memory && devices.add(*memory));
        nvmf::namespace_params p;
        p.bdev_name = "memory";
        EXPECT_TRUE(run(target->find_subsystem(subsystem_nqn)->namespaces().add(p)));
        hung_disk->add_rule({.what = bdev::fault_rule::kind::hang});
    }
    ~buffers() override {
        hung_disk->clear_rules();
        run(hung_disk->release_hung());
        stop();
    }

    nvme::command block_command(nvme::io_opcode o, std::uint32_t ns, std::uint32_t bytes, std::uint16_t cid,
                                nvme::fuse fuse = nvme::fuse::normal) const {
        nvme::command c = nvme::make_command(nvme::to_underlying(o), ns, bytes);
        nvme::set_block_range(c, 0, bytes / (ns == hung_ns ? 4096 : 512));
        c.cid = cid;
        c.flags = static_cast<std::uint8_t>(c.flags | nvme::to_underlying(fuse));
        return c;
    }
    nvme::command read(std::uint32_t ns, std::uint16_t cid) const {
        return block_command(nvme::io_opcode::read, ns, ns == hung_ns ? 4096 : 512, cid);
    }
    /// `count` reads of the disk that hangs.
    void hang(raw_host& h, unsigned count) {
        for (unsigned i = 0; i < count; ++i)
            h.send(read(hung_ns, static_cast<std::uint16_t>(100 + i)));
        EXPECT_TRUE(until([&] { return hung_disk->hung() > 0; }));
    }
    bool r2t_for(raw_host& h) {
        return until([&] {
            h.receive();
            return !h.r2ts.empty();
        });
    }
    void pass(core::nanoseconds time) {
        run([](core::nanoseconds t) -> core::task<> { co_await core::sleep_for(t); }(time));
    }
    void expect_success(raw_host& h) {
        const auto c = response(h);
        ASSERT_TRUE(c);
        EXPECT_TRUE(c->status().ok()) << nvme::to_string(c->status());
    }

    std::shared_ptr<bdev::fault_device> hung_disk;
    const std::vector<std::byte> data = std::vector<std::byte>(4096, std::byte{7});
};

TEST_F(buffers, data_that_is_asked_for_may_stand_behind_capsules_that_find_no_buffer) {
    raw_host other_admin = connect(), other = connect(1);
    hang(other, 2);
    raw_host admin = connect(), io = connect(1);
    io.send(block_command(nvme::io_opcode::write, good_ns, 4096, 1));
    ASSERT_TRUE(r2t_for(io));
    for (std::uint16_t cid = 2; cid < 12; ++cid) {
        auto in_capsule = block_command(nvme::io_opcode::write, good_ns, 4096, cid);
        in_capsule.sgl = nvme::sgl_descriptor::data_block(0, 4096, nvme::sgl_subtype::offset);
        io.send(in_capsule, data);
    }
    io.send_data(data);
    for (int i = 0; i < 11; ++i)
        expect_success(io);
}

TEST_F(buffers, data_of_commands_that_wait_for_credit_leaves_the_pool) {
    raw_host admin = connect(), io = connect(1);
    const auto disk = devices.find("memory");
    run(disk->set_limits({.rw_ios_per_sec = 1}));
    constexpr std::uint16_t writes = 8;
    const auto in_capsule = [&](nvme::io_opcode o, std::uint16_t cid) {
        auto c = block_command(o, good_ns, 512, cid);
        nvme::set_block_range(c, cid, 1);
        c.sgl = nvme::sgl_descriptor::data_block(0, 512, nvme::sgl_subtype::offset);
        io.send(c, std::vector<std::byte>(512, std::byte(cid)));
    };
    for (std::uint16_t cid = 1; cid <= writes; ++cid)
        in_capsule(nvme::io_opcode::write, cid);
    expect_success(io);
    // The pool's only buffer is free: a disk that hangs gets it, and the connection's own is not needed.
    raw_host other_admin = connect(), other = connect(1);
    hang(other, 1);
    admin.send(nvme::make_abort(1, writes));
    const auto aborted = response(admin);
    ASSERT_TRUE(aborted && (aborted->dw0 & 1) == 0);
    EXPECT_TRUE(response(io)->status().is(nvme::sc::aborted_by_request));
    run(disk->set_limits({}));
    for (std::uint16_t cid = 2; cid < writes; ++cid)
        expect_success(io);
    for (std::uint16_t cid = 1; cid < writes; ++cid) {
        in_capsule(nvme::io_opcode::compare, cid);
        expect_success(io);
    }
    run(disk->set_limits({.rw_ios_per_sec = 1}));
    for (std::uint16_t cid = 1; cid <= writes; ++cid)
        io.send(block_command(nvme::io_opcode::read, good_ns, 512, cid));
    expect_success(io);  // the others end with their connection
}

TEST_F(buffers, a_write_can_be_aborted_until_its_host_has_been_asked_for_its_data) {
    constexpr std::uint16_t write_cid = 200, reads = 100;
    raw_host admin = connect(), io = connect(1, 128);
    const auto write = block_command(nvme::io_opcode::write, good_ns, 512, write_cid);
    const auto is_aborted = [&] {
        admin.send(nvme::make_abort(1, write_cid));
        const auto c = response(admin);
        EXPECT_TRUE(c && c->status().ok());
        return c && (c->dw0 & 1) == 0;
    };

    io.send(write);
    ASSERT_TRUE(r2t_for(io));
    EXPECT_FALSE(is_aborted()) << "its data may be on its way";
    io.send_data(std::span(data).first(512));
    expect_success(io);

    // The host takes nothing, so what asks for the data of another one stays where it is.
    const std::size_t before = counter("requests");
    for (std::uint16_t cid = 0; cid < reads; ++cid)
        io.send(block_command(nvme::io_opcode::read, good_ns, 131072, cid));
    ASSERT_TRUE(until([&] { return counter("blocked_sends") > 0; }));
    io.send(write);
    ASSERT_TRUE(until([&] { return counter("requests") == before + reads + 1; }));
    EXPECT_TRUE(is_aborted());
    ASSERT_TRUE(until([&] {
        io.receive();
        return io.responses.size() == reads + 1u;
    }));
    const auto of_write =
        std::find_if(io.responses.begin(), io.responses.end(), [](const auto& c) { return c.cid == write_cid; });
    ASSERT_NE(of_write, io.responses.end());
    EXPECT_TRUE(of_write->status().is(nvme::sc::aborted_by_request)) << nvme::to_string(of_write->status());
    EXPECT_TRUE(io.r2ts.empty());
}

TEST_F(buffers, latencies_say_whether_a_host_or_a_disk_is_slow) {
    constexpr auto delay = std::chrono::milliseconds(10);
    const std::size_t ticks = group.control().time().to_ticks(delay);
    raw_host admin = connect(), io = connect(1);
    const auto grown = [this](std::string_view name, std::size_t& last) {
        const std::size_t now = counter(name);
        return now - std::exchange(last, now);
    };
    std::size_t fetch = 0, execute = 0, request = 0;
    for (const auto& [name, last] : {std::pair{"fetch_latency", &fetch}, std::pair{"execute_latency", &execute},
                                     std::pair{"request_latency", &request}})
        grown(name, *last);

    io.send(block_command(nvme::io_opcode::write, good_ns, 4096, 1));
    ASSERT_TRUE(r2t_for(io));
    pass(delay);
    io.send_data(data);
    expect_success(io);
    EXPECT_GE(grown("fetch_latency", fetch), ticks);
    EXPECT_LT(grown("execute_latency", execute), ticks);
    EXPECT_GE(grown("request_latency", request), ticks);

    hang(io, 1);
    pass(delay);
    run(hung_disk->release_hung());
    expect_success(io);
    EXPECT_LT(grown("fetch_latency", fetch), ticks);
    EXPECT_GE(grown("execute_latency", execute), ticks);
    EXPECT_GE(grown("request_latency", request), ticks);
}

TEST_F(buffers, a_fused_pair_is_served_while_a_strangers_disk_hangs) {
    raw_host other_admin = connect(), other = connect(1);
    hang(other, 2);
    raw_host admin = connect(), io = connect(1);
    const std::vector<std::byte> old(512), fresh(512, std::byte{9});
    for (const auto* expected : {&old, &fresh}) {
        io.send(block_command(nvme::io_opcode::compare, good_ns, 512, 1, nvme::fuse::first));
        io.send(block_command(nvme::io_opcode::write, good_ns, 512, 2, nvme::fuse::second));
        for (const auto* each : {expected, &fresh}) {
            ASSERT_TRUE(r2t_for(io));
            io.send_data(*each);
        }
        expect_success(io);
        expect_success(io);
    }
    // One of its own halves may come in the capsule.
    auto first = block_command(nvme::io_opcode::compare, good_ns, 512, 1, nvme::fuse::first);
    first.sgl = nvme::sgl_descriptor::data_block(0, 512, nvme::sgl_subtype::offset);
    io.send(first, fresh);
    io.send(block_command(nvme::io_opcode::write, good_ns, 512, 2, nvme::fuse::second));
    ASSERT_TRUE(r2t_for(io));
    io.send_data(fresh);
    expect_success(io);
    expect_success(io);
}

/// Both halves of it are here when the first one gets its buffer.
TEST_F(buffers, a_fused_pair_that_has_waited_for_credit_shares_one_buffer) {
    raw_host admin = connect(), io = connect(1);
    const auto disk = devices.find("memory");
    const std::vector<std::byte> old(5120), fresh(5120, std::byte{9});
    run(disk->set_limits({.rw_ios_per_sec = 10}));
    io.send(read(good_ns, 1));
    expect_success(io);
    for (const auto* expected : {&old, &fresh}) {
        io.send(block_command(nvme::io_opcode::compare, good_ns, 5120, 2, nvme::fuse::first));
        io.send(block_command(nvme::io_opcode::write, good_ns, 5120, 3, nvme::fuse::second));
        pass(std::chrono::milliseconds(10));
        io.receive();
        EXPECT_TRUE(io.r2ts.empty());
        for (const auto* each : {expected, &fresh}) {
            ASSERT_TRUE(r2t_for(io));
            io.send_data(*each);
        }
        expect_success(io);
        expect_success(io);
    }
}

TEST_F(buffers, two_halves_that_wait_are_served_together_or_go_with_their_connection) {
    raw_host other_admin = connect(), other = connect(1);
    hang(other, 2);
    raw_host admin = connect(), io = connect(1);
    // The own buffer is taken; what follows waits.
    io.send(block_command(nvme::io_opcode::write, good_ns, 512, 1));
    ASSERT_TRUE(r2t_for(io));
    for (std::uint16_t cid = 2; cid < 6; cid += 2) {
        const auto next = static_cast<std::uint16_t>(cid + 1);
        io.send(block_command(nvme::io_opcode::compare, good_ns, 512, cid, nvme::fuse::first));
        io.send(block_command(nvme::io_opcode::write, good_ns, 512, next, nvme::fuse::second));
    }
    EXPECT_TRUE(until([&] { return fabric->pending_data_buffers(0) > 0; }));
    const std::vector<std::byte> zeroes(512);
    io.send_data(zeroes);
    expect_success(io);
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(r2t_for(io));
        io.send_data(zeroes);
    }
    expect_success(io);
    expect_success(io);
    ASSERT_TRUE(r2t_for(io));  // and the second pair's stay where they are
}

TEST_F(buffers, the_other_namespaces_of_a_connection_go_on) {
    raw_host admin = connect(), io = connect(1);
    hang(io, 8);
    for (std::uint16_t cid = 1; cid < 50; ++cid) {
        io.send(read(good_ns, cid));
        expect_success(io);
    }
}

TEST_F(buffers, a_host_that_stops_in_the_middle_of_its_writes_leaves_the_namespace_to_others) {
    raw_host other_admin = connect(), other = connect(1);
    for (std::uint16_t cid = 1; cid < 9; ++cid)
        other.send(block_command(nvme::io_opcode::write, good_ns, 512, cid));
    ASSERT_TRUE(r2t_for(other));
    raw_host admin = connect(), io = connect(1);
    for (std::uint16_t cid = 1; cid < 50; ++cid) {
        io.send(read(good_ns, cid));
        expect_success(io);
    }
}

TEST_F(buffers, commands_that_wait_go_with_their_connection_and_memory_is_given_back) {
    for (int round = 0; round < 3; ++round) {
        {
            raw_host admin = connect(), io = connect(1);
            hang(io, 8);
            io.send(block_command(nvme::io_opcode::compare, good_ns, 512, 1, nvme::fuse::first));
            io.send(block_command(nvme::io_opcode::write, good_ns, 512, 2, nvme::fuse::second));
            ASSERT_TRUE(r2t_for(io));
        }
        run(hung_disk->release_hung());
    }
    hung_disk->clear_rules();
    raw_host admin = connect(), io = connect(1);
    for (std::uint16_t cid = 1; cid < 5; ++cid) {
        io.send(read(hung_ns, cid));
        expect_success(io);
    }
}

/// A pool as large as by default.
struct many_buffers : buffers {
    many_buffers() : buffers(512) { fast_disk = add_slow_disk(); }

    /// Namespace 3: each command takes a tenth of a millisecond.
    std::shared_ptr<bdev::fault_device> add_slow_disk() {
        auto memory = bdev::memory_device::create(group.control(), "base", {.block_size = 512, .blocks = 4096},
                                                  bdev::uuid_of_name("base"));
        auto made = bdev::fault_device::create("delayed", *memory, bdev::uuid_of_name("delayed"), 1);
        EXPECT_TRUE(made && devices.add(*made));
        (*made)->add_rule({.what = bdev::fault_rule::kind::delay, .delay = std::chrono::microseconds(100)});
        nvmf::namespace_params p;
        p.bdev_name = "delayed";
        EXPECT_TRUE(run(target->find_subsystem(subsystem_nqn)->namespaces().add(p)));
        return *made;
    }
    /// Virtual time for so many reads of 512 bytes, 32 at a time.
    core::ticks time_for(raw_host& h, unsigned count) {
        const core::ticks begin = clock.now();
        unsigned sent = 0, answered = 0;
        nvme::command c = read(good_ns, 0);
        c.nsid = 3;
        const auto send_next = [&] {
            c.cid = static_cast<std::uint16_t>(sent++ % 64);
            h.send(c);
        };
        while (sent < 32)
            send_next();
        EXPECT_TRUE(until([&] {
            h.receive();
            for (; !h.responses.empty(); h.responses.pop_front(), ++answered)
                if (sent < count)
                    send_next();
            return answered == count;
        }));
        return clock.now() - begin;
    }
    std::shared_ptr<bdev::fault_device> fast_disk;
};

TEST_F(many_buffers, a_disk_that_hangs_costs_its_neighbour_less_than_a_fifth) {
    raw_host admin = connect(), io = connect(1, 64);
    const core::ticks before = time_for(io, 2000);
    raw_host other_admin = connect();
    std::vector<raw_host> others;
    for (std::uint16_t qid = 1; qid <= 4; ++qid) {
        others.push_back(connect(qid, 128));
        for (std::uint16_t cid = 0; cid < 127; ++cid)
            others.back().send(read(hung_ns, cid));
    }
    EXPECT_TRUE(until([&] { return hung_disk->hung() >= 195; }));
    EXPECT_LE(time_for(io, 2000), before * 5 / 4);
    EXPECT_LE(hung_disk->hung(), 195u + 4u) << "three eighths of the pool, and each connection's own buffer";
}

}  // namespace
}  // namespace causeway::tcp
