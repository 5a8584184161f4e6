// SPDX-License-Identifier: Apache-2.0
// The host library and a target in one process, in virtual time.

#include "host/loop/loop_connector.h"

#include "host/controller.h"
#include "host/path_set.h"
#include "nvme/make_command.h"
#include "transport/loop/loop_qpair.h"
#include "transport/loop/testing/loop_fixture.h"

#include <algorithm>
#include <functional>
#include <gtest/gtest.h>
#include <list>
#include <optional>

namespace causeway::host {
namespace {

using namespace std::chrono_literals;
using loop::test::block_size;
using loop::test::gateway;
using nvme::io_opcode;

const address first_way{"loop", "here", "4420"}, second_way{"loop", "here", "4421"};

/// One command of some blocks with its memory, in a number of pieces.
struct block_io : path_request {
    block_io(io_opcode o, std::uint64_t block, std::uint32_t blocks = 1, std::uint8_t fill = 0, std::size_t count = 1)
        : memory(blocks * block_size, fill), pieces(count) {
        const std::size_t each = memory.size() / count;
        for (std::size_t i = 0; i < count; ++i)
            pieces[i] = {memory.data() + i * each, i + 1 == count ? memory.size() - i * each : each};
        data = pieces;
        command = nvme::make_block_command(o, 1, block, blocks, blocks * block_size);
        done = [](request& r) noexcept { ++static_cast<block_io&>(r).answers; };
    }
    block_io(const block_io&) = delete;
    bool is_lost() const { return answers == 1 && status() == nvme::sc::host_pathing_error; }

    std::vector<std::uint8_t> memory;
    std::vector<iovec> pieces;
    unsigned answers = 0;
};

/// A target with one disk, whatever the transport does with data; and three cores, which it shares with its hosts.
class over_loop : public ::testing::TestWithParam<loop::data_path> {
  protected:
    over_loop() { wait(gate.build()); }
    ~over_loop() override {
        wait(gate.tear_down());
        EXPECT_TRUE(run.run_until_idle());
        EXPECT_EQ(gate.transport->connections(), 0u);
        for (std::size_t core = 0; core < run.group().size(); ++core) {
            auto& state = gate.transport->on(core);
            EXPECT_EQ(state.broken.get(), 0u);
            EXPECT_TRUE(!state.buffers || (state.buffers->taken() == 0 && state.buffers->damaged() == 0));
        }
    }

    /// A task, on the control reactor.
    void wait(core::task<> t) {
        bool over = false;
        run[0].execute([&] { core::detach(std::move(t), [&] { over = true; }); });
        EXPECT_TRUE(run.run_until([&] { return over; }));
    }
    template <class T>
    T wait(core::task<T> t) {
        std::optional<T> value;
        run[0].execute([&] { core::detach(std::move(t), [&](T v) { value.emplace(std::move(v)); }); });
        EXPECT_TRUE(run.run_until([&] { return value.has_value(); }));
        return std::move(*value);
    }
    void on(core::reactor& r, std::function<void()> f) {
        bool over = false;
        r.execute([&] {
            f();
            over = true;
        });
        EXPECT_TRUE(run.run_until([&] { return over; }));
    }
    void settle() { run.run_for(5ms); }
    void hang_everything() { gate.disk().add_rule({.what = bdev::fault_rule::kind::hang}); }
    void heal() {
        gate.disk().clear_rules();
        wait(gate.disk().release_hung());
        settle();
    }

    /// An I/O queue on each of two cores.
    controller_options options() {
        return {.subnqn = loop::test::subnqn,
                .hostnqn = loop::test::hostnqn,
                .io_reactors = {&run[1], &run[2]},
                .io_depth = 16,
                .kato_ms = 0};
    }
    void connect() {
        k.emplace(by, options());
        const auto connected = wait(k->connect());
        ASSERT_TRUE(connected) << connected.error().text();
    }
    /// The target ends what came in at an address.
    void break_connections(const address& at) {
        for (std::size_t core = 0; core < run.group().size(); ++core)
            on(run[core], [&] {
                for (auto* q = gate.transport->local().qpairs; q; q = q->next)
                    if (q->local_address().trsvcid == at.service)
                        q->disconnect(nvmf::disconnect_reason::transport_error);
            });
    }

    core::simulation run{7, 3};
    gateway gate{run.group(), GetParam()};
    loop_connector by{*gate.transport, first_way};
    std::optional<controller> k;
};
INSTANTIATE_TEST_SUITE_P(paths, over_loop,
                         ::testing::Values(loop::data_path::borrow, loop::data_path::copy,
                                           loop::data_path::copy_checked));

TEST_P(over_loop, a_controller_is_identified) {
    ASSERT_NO_FATAL_FAILURE(connect());
    EXPECT_EQ(k->name(), "loop here:4420");
    EXPECT_EQ(k->io_queues(), 2u);
    EXPECT_EQ(k->io(0).depth(), 16u);
    EXPECT_EQ(k->max_data(), 131072u);
    const auto all = wait(k->active_namespaces());
    ASSERT_TRUE(all) << all.error().text();
    EXPECT_EQ(*all, std::vector<std::uint32_t>{1});
    const auto disk = wait(k->identify_namespace(1));
    ASSERT_TRUE(disk) << disk.error().text();
    EXPECT_EQ(disk->nsze, loop::test::blocks);
    wait(k->disconnect());
}

TEST_P(over_loop, an_address_without_a_listener_is_reported) {
    loop_connector other(*gate.transport, second_way);
    controller c(other, options());
    const auto connected = wait(c.connect());
    ASSERT_FALSE(connected);
    EXPECT_EQ(connected.error().code, ECONNREFUSED);
    EXPECT_EQ(connected.error().text(), "loop here:4421: no listener at this address");
}

TEST_P(over_loop, queues_are_no_deeper_than_the_controller_says) {
    auto o = options();
    o.io_depth = 4096;
    k.emplace(by, o);
    ASSERT_TRUE(wait(k->connect()));
    EXPECT_EQ(k->io(0).depth(), 127u);
    wait(k->disconnect());
}

/// More pieces than the loop takes, and other ones for the way back.
TEST_P(over_loop, written_data_reads_back) {
    ASSERT_NO_FATAL_FAILURE(connect());
    for (std::uint8_t round = 1; round < 4; ++round) {
        std::list<block_io> writes, reads;
        for (std::uint8_t i = 0; i < 16; ++i) {
            writes.emplace_back(io_opcode::write, i * 8u, 1u + i % 8, static_cast<std::uint8_t>(round * 16 + i), 7);
            reads.emplace_back(io_opcode::read, i * 8u, 1u + i % 8, 0, 5);
        }
        on(run[1], [&] {
            for (auto& w : writes)
                EXPECT_TRUE(k->io(0).submit(w));
            EXPECT_EQ(k->io(0).outstanding(), 16u);
            block_io one_more(io_opcode::read, 0);
            EXPECT_FALSE(k->io(0).submit(one_more));
        });
        settle();
        on(run[2], [&] {
            for (auto& r : reads)
                EXPECT_TRUE(k->io(1).submit(r));
        });
        settle();
        for (auto w = writes.begin(), r = reads.begin(); w != writes.end(); ++w, ++r) {
            EXPECT_TRUE(w->answers == 1 && w->status().ok());
            EXPECT_TRUE(r->answers == 1 && r->status().ok());
            EXPECT_EQ(r->memory, w->memory);
        }
        EXPECT_EQ(k->io(0).outstanding() + k->io(1).outstanding(), 0u);
    }
    wait(k->disconnect());
}

TEST_P(over_loop, a_success_without_all_the_data_is_a_failure) {
    ASSERT_NO_FATAL_FAILURE(connect());
    block_io more(io_opcode::read, 0, 2), less(io_opcode::read, 0, 2);
    more.command = nvme::make_block_command(io_opcode::read, 1, 0, 1, block_size);
    less.command = nvme::make_block_command(io_opcode::read, 1, 0, 4, 4 * block_size);
    on(run[1], [&] { EXPECT_TRUE(k->io(0).submit(more) && k->io(0).submit(less)); });
    settle();
    EXPECT_EQ(more.status(), nvme::sc::data_transfer_error);
    EXPECT_TRUE(less.status().is(nvme::sc::data_sgl_length_invalid));
    wait(k->disconnect());
}

/// Nothing that close() has released is touched: the address sanitizer looks on.
TEST_P(over_loop, close_ends_what_is_outstanding_before_it_returns) {
    ASSERT_NO_FATAL_FAILURE(connect());
    hang_everything();
    std::list<block_io> all;
    for (unsigned i = 0; i < 16; ++i)
        all.emplace_back(i % 2 ? io_opcode::write : io_opcode::read, i);
    on(run[1], [&] {
        for (auto& r : all)
            EXPECT_TRUE(k->io(0).submit(r));
    });
    settle();
    EXPECT_EQ(gate.disk().hung(), 16u);
    on(run[1], [&] {
        k->io(0).on_lost = [] { FAIL() << "it was not lost"; };
        k->io(0).close();
        EXPECT_EQ(k->io(0).outstanding(), 0u);
        EXPECT_EQ(k->io(0).trouble(), "");
        for (const auto& r : all)
            EXPECT_TRUE(r.is_lost());
        all.clear();
        block_io late(io_opcode::read, 0);
        EXPECT_FALSE(k->io(0).submit(late));
    });
    bool gone = false;
    run[0].execute([&] { core::detach(k->disconnect(), [&] { gone = true; }); });
    settle();
    EXPECT_EQ(gate.disk().hung(), 16u);
    heal();
    EXPECT_TRUE(run.run_until([&] { return gone; }));
    settle();
    EXPECT_EQ(gate.transport->connections(), 0u);
}

TEST_P(over_loop, close_may_come_while_a_command_is_executed) {
    for (int steps = 0; steps < 60; ++steps) {
        ASSERT_NO_FATAL_FAILURE(connect());
        std::list<block_io> all;
        for (unsigned i = 0; i < 16; ++i)
            all.emplace_back(i % 2 ? io_opcode::write : io_opcode::read, i);
        on(run[1], [&] {
            for (auto& r : all)
                EXPECT_TRUE(k->io(0).submit(r));
        });
        for (int i = 0; i < steps; ++i)
            run.step();
        on(run[1], [&] {
            k->io(0).close();
            for (const auto& r : all)
                EXPECT_TRUE(r.is_lost() || (r.answers == 1 && r.status().ok()));
            all.clear();
        });
        wait(k->disconnect());
        settle();
        EXPECT_EQ(gate.transport->connections(), 0u);
    }
}

TEST_P(over_loop, a_completion_may_close_the_queue_pair) {
    ASSERT_NO_FATAL_FAILURE(connect());
    std::list<block_io> all;
    for (unsigned i = 0; i < 8; ++i)
        all.emplace_back(io_opcode::read, i);
    struct closing : block_io {
        using block_io::block_io;
        queue_pair* queue = nullptr;
    } closes(io_opcode::read, 0);
    closes.queue = &k->io(0);
    closes.done = [](request& r) noexcept {
        auto& self = static_cast<closing&>(r);
        ++self.answers;
        self.queue->close();
    };
    hang_everything();
    on(run[1], [&] {
        EXPECT_TRUE(k->io(0).submit(closes));
        for (auto& r : all)
            EXPECT_TRUE(k->io(0).submit(r));
    });
    settle();
    break_connections(first_way);
    heal();
    EXPECT_EQ(closes.answers, 1u);
    for (const auto& r : all)
        EXPECT_TRUE(r.is_lost());
    wait(k->disconnect());
}

TEST_P(over_loop, requests_end_when_the_target_disconnects) {
    ASSERT_NO_FATAL_FAILURE(connect());
    hang_everything();
    struct watching : block_io {
        using block_io::block_io;
        queue_pair* queue = nullptr;
        bool was_open = true;
    };
    std::list<watching> all;
    for (unsigned i = 0; i < 16; ++i) {
        watching& r = all.emplace_back(io_opcode::read, i);
        r.queue = &k->io(0);
        r.done = [](request& r) noexcept {
            auto& self = static_cast<watching&>(r);
            ++self.answers;
            self.was_open = self.queue->is_open() || self.queue->submit(self);
        };
    }
    unsigned losses = 0;
    on(run[0], [&] { k->on_lost = [&](std::string) { ++losses; }; });
    on(run[1], [&] {
        for (auto& r : all)
            EXPECT_TRUE(k->io(0).submit(r));
    });
    settle();
    break_connections(first_way);
    heal();
    for (const auto& r : all) {
        EXPECT_TRUE(r.is_lost());
        EXPECT_FALSE(r.was_open);
    }
    EXPECT_EQ(losses, 1u);
    EXPECT_FALSE(k->is_alive());
    EXPECT_EQ(k->io(0).trouble(), "the target has closed the connection");
    wait(k->disconnect());
}

TEST_P(over_loop, a_lost_path_loses_no_command) {
    auto& subsystem = *gate.target->find_subsystem(loop::test::subnqn);
    ASSERT_TRUE(wait(subsystem.listeners().add(loop::test::nowhere)));
    std::vector<std::unique_ptr<connector>> ways;
    for (const auto& way : {first_way, second_way})
        ways.push_back(std::make_unique<loop_connector>(*gate.transport, way));
    path_set paths(std::move(ways), {.controller = options(), .reconnect_after = 10ms});
    ASSERT_TRUE(wait(paths.start()));
    EXPECT_EQ(paths.alive(), 2u);

    hang_everything();
    std::list<block_io> all;
    for (std::uint8_t i = 0; i < 16; ++i)
        all.emplace_back(io_opcode::write, i, 1, static_cast<std::uint8_t>(i + 1));
    on(run[1], [&] {
        for (auto& w : all)
            paths.submit(0, w);
    });
    settle();
    EXPECT_EQ(gate.disk().hung(), 16u);
    ASSERT_TRUE(wait(subsystem.listeners().remove(loop::test::nowhere)));
    break_connections(second_way);
    settle();
    heal();
    EXPECT_TRUE(run.run_until([&] { return std::all_of(all.begin(), all.end(), [](auto& w) { return w.answers; }); }));
    for (const auto& w : all)
        EXPECT_TRUE(w.answers == 1 && w.status().ok()) << nvme::to_string(w.status());
    EXPECT_EQ(paths.redriven(0), 8u) << "half of them had taken the way that was lost";
    EXPECT_EQ(paths.alive(), 1u);

    std::list<block_io> reads;
    on(run[2], [&] {
        for (std::uint8_t i = 0; i < 16; ++i)
            paths.submit(1, reads.emplace_back(io_opcode::read, i));
    });
    settle();
    for (auto r = reads.begin(), w = all.begin(); r != reads.end(); ++r, ++w)
        EXPECT_EQ(r->memory, w->memory);

    ASSERT_TRUE(wait(subsystem.listeners().add(loop::test::nowhere)));
    EXPECT_TRUE(run.run_until([&] { return paths.alive() == 2; })) << "and the connection is made again";
    wait(paths.stop());
}

}  // namespace
}  // namespace causeway::host
