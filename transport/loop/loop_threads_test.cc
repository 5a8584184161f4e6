// SPDX-License-Identifier: Apache-2.0
// Hosts and target on reactors that really run at once. What it finds, it finds under the thread sanitizer.

#include "core/blocking_pool.h"
#include "core/thread_runner.h"
#include "transport/loop/testing/loop_fixture.h"

#include <future>

namespace causeway::loop::test {
namespace {

constexpr std::size_t cores = 3;

class loop_threads : public ::testing::TestWithParam<data_path> {
  protected:
    loop_threads() : gate(group, GetParam()), runner(group) { start(0, gate.build()).get(); }
    ~loop_threads() override {
        start(0, gate.tear_down()).get();
        runner.stop();
        EXPECT_EQ(gate.transport->connections(), 0u);
    }

    std::future<void> start(std::size_t core, core::task<> t) {
        auto done = std::make_shared<std::promise<void>>();
        auto work = std::make_shared<core::task<>>(std::move(t));
        auto ended = done->get_future();
        group[core].execute([work, done] { core::detach(run(std::move(*work), done)); });
        return ended;
    }
    static core::task<> run(core::task<> t, std::shared_ptr<std::promise<void>> done) {
        co_await std::move(t);
        done->set_value();
    }

    core::task<> visit(std::uint64_t answers);
    core::task<> read_until_it_breaks();
    core::task<> stop_in_a_while() {
        co_await core::sleep_for(std::chrono::milliseconds(30));
        co_await gate.transport->stop();
    }

    core::tsc_clock clock;
    core::blocking_pool pool;
    core::reactor_group group{{0, 0, 0}, clock, pool};
    gateway gate;
    core::thread_runner runner;
};
INSTANTIATE_TEST_SUITE_P(paths, loop_threads, ::testing::Values(data_path::borrow, data_path::copy));

/// Sends itself again, until so many have been answered.
struct repeated : command_in_memory {
    repeated(host_queue& q, std::uint64_t& answers_left, unsigned& in_flight)
        : command_in_memory(4 * block_size), queue(q), left(answers_left), outstanding(in_flight) {
        done = [](host_request& r) noexcept { static_cast<repeated&>(r).again(); };
    }
    void send() noexcept { outstanding += queue.submit(*this); }
    void again() noexcept {
        --outstanding;
        if (left && --left)
            send();
    }
    host_queue& queue;
    std::uint64_t& left;
    unsigned& outstanding;
};

/// Connects, and leaves in the middle of it.
core::task<> loop_threads::visit(std::uint64_t answers) {
    host_controller c(*gate.transport);
    const auto connected = co_await c.connect(gateway::host(2, 32));
    EXPECT_TRUE(connected) << connected.error().text();
    std::uint64_t left = answers;
    unsigned outstanding = 0;
    std::vector<std::unique_ptr<repeated>> all;
    for (unsigned i = 0; i < 20; ++i) {
        auto& r = *all.emplace_back(std::make_unique<repeated>(c.io(i % 2), left, outstanding));
        r.command =
            make_block_command(i % 3 ? nvme::io_opcode::read : nvme::io_opcode::write, 1, 4 * i, 4, 4 * block_size);
        r.send();
    }
    while (left > answers / 10)
        co_await core::yield();
    co_await c.disconnect();
    EXPECT_EQ(outstanding, 0u);
}

core::task<> loop_threads::read_until_it_breaks() {
    host_controller c(*gate.transport);
    (void)co_await c.connect(gateway::host(2, 32));  // or the target has stopped already
    while (c.alive()) {
        read_command r(0, 1);
        (void)co_await c.io(0).run(r.command, r.data);
    }
    co_await c.disconnect();
}

TEST_P(loop_threads, hosts_come_and_go_on_all_cores) {
    for (int round = 0; round < 5; ++round) {
        std::vector<std::future<void>> visits;
        for (std::size_t core = 0; core < cores; ++core)
            visits.push_back(start(core, visit(2000)));
        for (auto& v : visits)
            v.get();
    }
}

TEST_P(loop_threads, the_target_stops_under_load) {
    std::vector<std::future<void>> visits;
    for (std::size_t core = 0; core < cores; ++core)
        visits.push_back(start(core, read_until_it_breaks()));
    start(0, stop_in_a_while()).get();
    for (auto& v : visits)
        v.get();
}

}  // namespace
}  // namespace causeway::loop::test
