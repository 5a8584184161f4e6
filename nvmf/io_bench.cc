// SPDX-License-Identifier: Apache-2.0
#include "bdev/device.h"
#include "nvmf/target_side.h"
#include "nvmf/testing/target_fixture.h"

#include <benchmark/benchmark.h>

// What a command costs between the transport and the device: begin(), execute(), and the way back to
// respond(). Without either of the two, so the device here is one that completes and nothing else.
// Instructions repeat where times do not:
//
//   valgrind --tool=callgrind --toggle-collect='*measured*' nvmf_bench --benchmark_filter=read
//
// and the sum, divided by the iterations that it prints.

namespace causeway::nvmf {
namespace {

template <class F>
[[gnu::noinline]] void measured(F&& f) {
    f();
}

struct instant_device final : bdev::device {
    using device::device;
    std::string_view product_name() const noexcept override { return "instant"; }
    void submit(bdev::io& i) noexcept override { i.complete(nvme::sc::success); }
};

class silent_qpair final : public qpair {
  public:
    using qpair::qpair;
    void respond(request& r) noexcept override { benchmark::DoNotOptimize(&r); }
    void resume(request&) noexcept override {}
    void disconnect(disconnect_reason) noexcept override {}
    bool abort_waiting(std::uint16_t) noexcept override { return false; }
    transport_address local_address() const override { return test::here; }
    transport_address peer_address() const override { return test::here; }
    std::string_view transport_name() const noexcept override { return "FAKE"; }
};

constexpr std::int64_t iterations = 100'000;

void command(benchmark::State& state, nvme::command c) {
    test::nvmf_fixture w(1, 1);
    auto device = std::make_shared<instant_device>(
        w.sim.group(), "instant", bdev::device_geometry{.block_size = 4096, .blocks = 1u << 20},
        bdev::device_capabilities{.ops = ~0u}, bdev::uuid_of_name("instant"));
    (void)w.devices.add(device);
    auto& s = w.make_subsystem();
    w.add(s, "instant");
    test::host h = w.make_host(test::host_a, 1);

    silent_qpair silent(w.sim[0]);
    qpair_target_side& q = side_of(silent);
    const qpair_target_side& connected = side_of(*h.queues[0]->qpair);
    q.target = connected.target;
    q.counters = connected.counters;
    q.controller = connected.controller;
    q.subsystem = connected.subsystem;
    q.namespaces = connected.namespaces;
    q.max_io_bytes = connected.max_io_bytes;
    q.qid = 1;
    std::vector<std::byte> data(4096);
    request r;
    r.qpair = &silent;
    r.command = c;
    r.segments[0] = {data.data(), data.size()};
    r.segment_count = 1;
    bool good = true;
    w.at_control([&] {
        for (auto _ : state) {
            measured([&] {
                good &= w.target.begin(r).ok();
                w.target.execute(r);
            });
        }
    });
    if (!good || !r.status().ok())
        state.SkipWithError("the command failed");
    q.controller.reset();
}

void read(benchmark::State& state) {
    command(state, test::io(nvme::io_opcode::read, 1, 77, 1));
}
void write(benchmark::State& state) {
    command(state, test::io(nvme::io_opcode::write, 1, 77, 1));
}
void flush(benchmark::State& state) {
    command(state, test::io(nvme::io_opcode::flush, 1));
}
BENCHMARK(read)->Iterations(iterations);
BENCHMARK(write)->Iterations(iterations);
BENCHMARK(flush)->Iterations(iterations);

}  // namespace
}  // namespace causeway::nvmf
