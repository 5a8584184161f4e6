// SPDX-License-Identifier: Apache-2.0
// How exactly a device's limits are kept, over a second and over 10 ms, and how hosts share them: `loop`, the null
// device, and hosts of different depths whose queues are on all cores.

#include "bdev/null_device.h"
#include "bdev/uuid.h"
#include "tests/bench/gateway.h"
#include "tests/bench/load.h"

#include <algorithm>
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <list>
#include <string>
#include <vector>

namespace causeway::bench {
namespace {

using namespace std::chrono_literals;

struct scenario {
    const char* name;
    bdev::rate_limits limits;
    double per_second;             ///< commands that the limits allow
    std::vector<unsigned> depths;  ///< of each host
    std::uint32_t bytes = 4096;
};

const scenario scenarios[] = {
    {"no limit", {}, 0, {1}},
    {"a limit that is not reached", {.rw_ios_per_sec = 100'000'000}, 0, {1}},
    {"1,000 I/Os, one host", {.rw_ios_per_sec = 1000}, 1000, {32}},
    {"20,000 I/Os, one host", {.rw_ios_per_sec = 20'000}, 20'000, {32}},
    {"100,000 I/Os, four hosts", {.rw_ios_per_sec = 100'000}, 100'000, {32, 32, 32, 32}},
    {"100 MiB, one host, 128 KiB", {.rw_mbytes_per_sec = 100}, 800, {16}, 131072},
    {"10,000 I/Os, depths 127 and 16", {.rw_ios_per_sec = 10'000}, 10'000, {127, 16}},
    {"20,000 I/Os, depths 127 and 1", {.rw_ios_per_sec = 20'000}, 20'000, {127, 1}},
};

struct client {
    client(gateway& g, const load_options& o) : host(g.transport()), options(o) {}
    loop::host_controller host;
    load_options options;
    std::unique_ptr<bench::load> load;

    core::task<> begin(const gateway& g, unsigned number) {
        loop::host_options o = g.host();
        o.hostnqn += std::to_string(number);
        o.io_entries = 128;
        auto connected = co_await host.connect(o);
        need(std::move(connected));
        load = std::make_unique<bench::load>(host.io(0), options);
        load->start();
    }
    core::task<> end() {
        co_await load->stop();
        co_await host.disconnect();
    }
};

std::uint64_t completed(const std::list<client>& clients) {
    std::uint64_t n = 0;
    for (const client& c : clients)
        n += c.load->completed();
    return n;
}

core::task<> measure(gateway& g, const scenario& s, unsigned seconds) {
    auto device = std::make_shared<bdev::null_device>(
        g.group(), "Null0", bdev::device_geometry{.block_size = 512, .blocks = 1 << 20}, bdev::uuid_of_name("Null0"));
    co_await g.add(device, 1);
    co_await device->set_limits(s.limits);
    std::list<client> clients;
    for (const unsigned depth : s.depths) {
        load_options o;
        o.blocks = 1 << 20;
        o.bytes = s.bytes;
        o.depth = depth;
        co_await clients.emplace_back(g, o).begin(g, static_cast<unsigned>(clients.size()));
    }
    co_await core::sleep_for(300ms);

    const core::clock& time = g.group().time();
    const auto elapsed = [&](core::ticks since) {
        return std::chrono::duration<double>(time.to_nanoseconds(time.now() - since)).count();
    };
    std::vector<std::uint64_t> before, nanoseconds;
    for (const client& c : clients) {
        before.push_back(c.load->completed());
        nanoseconds.push_back(c.load->nanoseconds());
    }
    const core::ticks began = time.now();
    const std::uint64_t all_before = completed(clients);
    std::vector<double> deviations;  ///< of each 10 ms
    while (elapsed(began) < seconds) {
        const core::ticks window = time.now();
        const std::uint64_t at = completed(clients);
        co_await core::sleep_for(10ms);
        const double expected = s.per_second * elapsed(window);
        if (expected > 0)
            deviations.push_back(std::abs(static_cast<double>(completed(clients) - at) / expected - 1) * 100);
    }
    const double took = elapsed(began);
    const double rate = static_cast<double>(completed(clients) - all_before) / took;
    std::sort(deviations.begin(), deviations.end());
    std::printf("%-32s %9.0f /s", s.name, rate);
    if (s.per_second > 0)
        std::printf("  %+5.2f %%  10 ms: median %4.1f %%, 99th %4.1f %%", (rate / s.per_second - 1) * 100,
                    deviations[deviations.size() / 2], deviations[deviations.size() * 99 / 100]);
    std::printf("  hosts:");
    std::size_t i = 0;
    for (const client& c : clients) {
        const double n = static_cast<double>(c.load->completed() - before[i]);
        std::printf("  %.0f /s at %.0f us", n / took,
                    static_cast<double>(c.load->nanoseconds() - nanoseconds[i]) / n / 1e3);
        ++i;
    }
    std::printf("\n");
    std::fflush(stdout);
    co_await device->set_limits({});
    for (client& c : clients)
        co_await c.end();
    co_await g.remove(1, "Null0");
}

core::task<> measure_all(gateway& g, unsigned seconds) {
    for (const scenario& s : scenarios)
        co_await measure(g, s, seconds);
}

}  // namespace
}  // namespace causeway::bench

int main(int argc, char** argv) {
    using namespace causeway::bench;
    std::string lcores = "0@0,1@1";
    unsigned seconds = 3;
    CLI::App app("How exactly limits are kept, and how hosts share them.");
    app.option_defaults()->always_capture_default();
    app.add_option("--lcores", lcores, "as DPDK takes them");
    app.add_option("--seconds", seconds, "for each scenario");
    CLI11_PARSE(app, argc, argv);
    gateway g(lcores);
    g.run(measure_all(g, seconds));
}
