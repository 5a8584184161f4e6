// SPDX-License-Identifier: Apache-2.0
// Buffers are shared by namespaces and hosts that may hang, and by those that do not.

#include "transport/loop/testing/loop_fixture.h"

#include <deque>
#include <functional>

namespace causeway::loop::test {
namespace {

using namespace std::chrono_literals;

/// A gateway of one core, with a second disk, namespace 2, whose commands take a tenth of a millisecond each.
class fair_buffers : public ::testing::Test {
  protected:
    fair_buffers() {
        wait(gate.build());
        wait(add_disk());
    }
    ~fair_buffers() override {
        gate.disk().clear_rules();
        wait(gate.disk().release_hung());
        wait(take_down());
    }
    core::task<> add_disk() {
        auto memory =
            bdev::memory_device::create(run.group().control(), "other memory",
                                        {.block_size = block_size, .blocks = blocks}, bdev::uuid_of_name("other"));
        auto made = bdev::fault_device::create("other", *memory, bdev::uuid_of_name("other disk"));
        EXPECT_TRUE(gate.devices.add(*made));
        (*made)->add_rule({.what = bdev::fault_rule::kind::delay, .delay = 100us});
        nvmf::namespace_params p;
        p.bdev_name = "other";
        const auto added = co_await gate.target->find_subsystem(subnqn)->namespaces().add(p);
        EXPECT_TRUE(added);
    }
    core::task<> take_down() {
        co_await gate.tear_down();
        const auto removed = co_await gate.devices.remove("other");
        EXPECT_TRUE(removed);
    }
    void wait(core::task<> t) {
        bool done = false;
        run.group().control().execute([&] { core::detach(std::move(t), [&] { done = true; }); });
        EXPECT_TRUE(run.run_until([&] { return done; }));
    }
    void now(const std::function<void()>& f) {
        bool done = false;
        run.group().control().execute([&] {
            f();
            done = true;
        });
        EXPECT_TRUE(run.run_until([&] { return done; }));
    }
    core::task<> connect(host_controller& c, host_options o) {
        const auto connected = co_await c.connect(std::move(o));
        EXPECT_TRUE(connected);
    }

    /// Keeps 32 reads of namespace 2 outstanding.
    struct load {
        explicit load(host_queue& to) : queue(to) {
            for (int i = 0; i < 32; ++i) {
                auto& r = reads.emplace_back(0, 8);
                r.command.nsid = 2;
                r.context = this;
                r.done = [](host_request& done) noexcept {
                    load& self = *static_cast<load*>(done.context);
                    EXPECT_TRUE(done.status().ok());
                    ++self.completed;
                    if (!self.stopped)
                        self.queue.submit(done);
                };
            }
        }
        void start() {
            for (auto& r : reads)
                EXPECT_TRUE(queue.submit(r));
        }
        host_queue& queue;
        std::deque<read_command> reads;
        unsigned completed = 0;
        bool stopped = false;
    };
    /// The simulation stalls its cores now and then: over long times that is the same.
    unsigned completions_of(load& l, core::nanoseconds d) {
        const unsigned before = l.completed;
        run.run_for(d);
        return l.completed - before;
    }

    core::simulation run{7, 1};
    gateway gate{run.group(), data_path::copy};
};

TEST_F(fair_buffers, a_disk_that_hangs_costs_its_neighbour_less_than_a_fifth) {
    for (const bool same_host : {true, false}) {
        host_controller good(*gate.transport), bad(*gate.transport);
        wait(connect(good, gateway::host(1, 64)));
        auto o = gateway::host(4, 128);
        if (!same_host)
            o.hostnqn += "-2";
        wait(connect(bad, o));

        load l(good.io(0));
        now([&] { l.start(); });
        const unsigned before = completions_of(l, 100ms);
        EXPECT_GT(before, 5'000u);

        gate.disk().add_rule({.what = bdev::fault_rule::kind::hang});
        std::deque<read_command> stuck;
        now([&] {
            for (std::size_t q = 0; q < 4; ++q)
                for (int i = 0; i < 127; ++i)
                    EXPECT_TRUE(bad.io(q).submit(stuck.emplace_back(0, 8)));
        });
        run.run_for(1ms);
        EXPECT_EQ(gate.disk().hung(), 195u) << "three eighths of the pool";
        EXPECT_GT(gate.transport->pending_data_buffers(0), 200u);
        EXPECT_GE(completions_of(l, 100ms), before * 4 / 5);

        l.stopped = true;
        run.run_for(1ms);
        gate.disk().clear_rules();
        wait(gate.disk().release_hung());
        run.run_for(5ms);
        for (const auto& r : stuck)
            EXPECT_EQ(r.answers, 1u);
        EXPECT_EQ(gate.transport->pending_data_buffers(0), 0u);
        wait(bad.disconnect());
        wait(good.disconnect());
    }
}

}  // namespace
}  // namespace causeway::loop::test
