// SPDX-License-Identifier: Apache-2.0
// What an I/O costs in this folder: from device::start() to the issuer's hook, statistics and two looks at the clock
// included. Prints time; for instructions: valgrind --tool=callgrind --toggle-collect='*run_batch*' device_bench
// --benchmark_filter=NAME, and divide by the I/Os (a thousand in each batch).

#include "bdev/memory_device.h"
#include "bdev/null_device.h"
#include "core/testing/core_fixture.h"

#include <benchmark/benchmark.h>

namespace causeway::bdev {
namespace {

constexpr unsigned batch = 1000;

/// A thousand I/Os, begun within one message of one reactor.
struct issuer : core::message {
    issuer(device& d, op o, std::size_t bytes) : target(d), memory(bytes) {
        vector = {memory.data(), bytes};
        request.operation = o;
        request.length_blocks = bytes / d.geometry().block_size;
        request.data = {&vector, 1};
        request.done = [](io& i) noexcept { ++*static_cast<unsigned*>(i.context); };
        request.context = &ended;
        handle = [](core::message& m) noexcept { static_cast<issuer&>(m).run_batch(); };
    }
    [[gnu::noinline]] void run_batch() noexcept {
        for (unsigned n = 0; n < batch; ++n)
            target.start(request);
    }
    device& target;
    std::vector<std::byte> memory;
    iovec vector;
    io request;
    unsigned ended = 0;
};

/// A device without a back end.
class empty_device final : public device {
  public:
    explicit empty_device(core::reactor_group& g)
        : device(g, "empty", {.block_size = 512, .blocks = 1 << 20}, {.ops = ops({op::read})}, random_uuid()) {}
    std::string_view product_name() const noexcept override { return "Empty"; }

  private:
    void submit(io& i) noexcept override { i.complete(nvme::sc::success); }
};

void measure(benchmark::State& state, core::reactor_group& group, device& d, op o) {
    issuer i(d, o, static_cast<std::size_t>(state.range(0)));
    for (auto _ : state) {
        group.control().post(i);
        group.control().turn();
    }
    if (i.ended != state.iterations() * batch)
        state.SkipWithError("not every I/O has ended");
    state.SetItemsProcessed(state.iterations() * batch);
}

struct bench_fixture {
    core::tsc_clock clock;
    core::test::inline_executor blocking;
    core::reactor_group group{{0}, clock, blocking};
};

void contract_alone(benchmark::State& state) {
    bench_fixture w;
    empty_device d(w.group);
    measure(state, w.group, d, op::read);
}
BENCHMARK(contract_alone)->Arg(4096);

void null_read(benchmark::State& state) {
    bench_fixture w;
    null_device d(w.group, "null", {.block_size = 512, .blocks = 1 << 20}, random_uuid());
    measure(state, w.group, d, op::read);
}
BENCHMARK(null_read)->Arg(512)->Arg(4096)->Arg(131072);

void null_write(benchmark::State& state) {
    bench_fixture w;
    null_device d(w.group, "null", {.block_size = 512, .blocks = 1 << 20}, random_uuid());
    measure(state, w.group, d, op::write);
}
BENCHMARK(null_write)->Arg(4096);

void memory_read(benchmark::State& state) {
    bench_fixture w;
    const auto d = *memory_device::create(w.group[0], "m", {.block_size = 512, .blocks = 1 << 16}, random_uuid());
    measure(state, w.group, *d, op::read);
}
BENCHMARK(memory_read)->Arg(4096)->Arg(131072);

}  // namespace
}  // namespace causeway::bdev

BENCHMARK_MAIN();
