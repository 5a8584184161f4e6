// SPDX-License-Identifier: Apache-2.0
// What the discovery log of a thousand subsystems costs the control reactor: the figures that its budget counts with.
//
//   nvmf_bench --benchmark_filter=discovery

#include "nvmf/model/discovery.h"

#include "nvmf/testing/target_fixture.h"

#include <benchmark/benchmark.h>

namespace causeway::nvmf::test {
namespace {

/// A thousand subsystems with a listener each. Every second one has a list of hosts, with one on it who is not asking.
struct big_log {
    big_log() {
        for (unsigned i = 0; i < 1000; ++i) {
            subsystem& s = w.make_subsystem("nqn.2024-01.io.example:n" + std::to_string(i));
            if (i % 2) {
                w.run(s.access().set_allow_any_host(false));
                w.at_control([&] { EXPECT_TRUE(s.access().add_host(host_b)); });
            }
        }
    }
    auto reader() {
        return std::move(w.target.discovery_log().admit(host_a, port{.at = here}, here, elsewhere).value());
    }
    nvmf_fixture w;
};

/// One host's log, after a change.
void discovery_log_built(benchmark::State& state) {
    big_log l;
    l.w.at_control([&] {
        const auto reader = l.reader();
        for (auto _ : state) {
            l.w.target.discovery_log().referrals_changed();
            benchmark::DoNotOptimize(reader->read(0, 1024));
        }
    });
}
BENCHMARK(discovery_log_built);

/// A Get Log Page of `range` bytes of it.
void discovery_log_read(benchmark::State& state) {
    big_log l;
    l.w.at_control([&] {
        const auto reader = l.reader();
        for (auto _ : state)
            benchmark::DoNotOptimize(reader->read(0, static_cast<std::size_t>(state.range(0))));
    });
}
BENCHMARK(discovery_log_read)->Arg(4096)->Arg(131072);

}  // namespace
}  // namespace causeway::nvmf::test
