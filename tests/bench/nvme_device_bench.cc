// SPDX-License-Identifier: Apache-2.0
// Random I/O on a namespace of a local NVMe controller through our driver, from one core or several, with no fabric
// between: what fio does through the kernel's. The controller is bound to vfio-pci. Prints JSON.

#include "bdev_nvme/controllers.h"
#include "bdev_nvme/pci_bus.h"
#include "core/blocking_pool.h"
#include "core/environment.h"
#include "core/lcore_runner.h"
#include "core/log.h"
#include "tests/bench/device_load.h"
#include "tests/bench/gateway.h"

#include <chrono>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

namespace causeway::bench {
namespace {

struct settings {
    std::string lcores = "0@0";
    bool no_huge = false;
    std::string address;
    std::uint32_t nsid = 1;
    device_load::options load;
    double ramp = 1, seconds = 3;
};

core::nanoseconds seconds(double s) {
    return core::nanoseconds(static_cast<std::int64_t>(s * 1e9));
}

core::environment start(const settings& s) {
    core::environment_options o;
    o.lcores = s.lcores;
    o.no_huge = s.no_huge;
    o.name = "nvme_bench";
    return need(core::environment::start(o));
}

std::uint64_t all_of(const std::vector<std::unique_ptr<device_load>>& loads) {
    std::uint64_t sum = 0;
    for (const auto& l : loads)
        sum += l->completed();
    return sum;
}

core::task<> measure(core::reactor_group& group, bdev::registry& devices, bdev_nvme::controllers& all,
                     const settings& s) {
    bdev_nvme::attach_params p;
    p.name = "Nvme0";
    p.address = s.address;
    auto made = co_await all.attach(std::move(p));
    need(std::move(made));
    const auto device = devices.find("Nvme0n" + std::to_string(s.nsid));
    if (!device)
        give_up("there is no such namespace");

    std::vector<std::unique_ptr<device_load>> loads;
    for (std::size_t i = 0; i < group.size(); ++i) {
        device_load::options o = s.load;
        o.seed = i + 1;
        loads.push_back(std::make_unique<device_load>(*device, o));
    }
    co_await core::for_each_reactor(group, [&](core::reactor& r) { loads[r.index()]->start(); });
    co_await core::sleep_for(seconds(s.ramp));
    const std::uint64_t before = all_of(loads);
    const double cpu = cpu_seconds();
    const auto began = std::chrono::steady_clock::now();
    co_await core::sleep_for(seconds(s.seconds));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    const double used = cpu_seconds() - cpu;
    const auto done = static_cast<double>(all_of(loads) - before);
    std::uint64_t failed = 0;
    for (std::size_t i = 0; i < group.size(); ++i) {
        co_await core::switch_to(group[i]);
        co_await loads[i]->stop();
        failed += loads[i]->failed();
    }
    co_await core::switch_to(group.control());
    std::printf("{\"iops\": %.1f, \"cpu_us_per_io\": %.3f, \"failed\": %llu}\n", done / took.count(), used * 1e6 / done,
                static_cast<unsigned long long>(failed));
    co_await all.close();
}

}  // namespace
}  // namespace causeway::bench

int main(int argc, char** argv) {
    using namespace causeway;
    core::log::set_print_level(core::log::level::warning);
    bench::settings s;
    CLI::App app("A local NVMe controller through Causeway's driver.");
    app.option_defaults()->always_capture_default();
    app.add_option("--traddr", s.address, "the controller's PCI address")->required();
    app.add_option("--nsid", s.nsid, "the namespace");
    app.add_option("--lcores", s.lcores, "as DPDK takes them: each has a load of its own");
    app.add_flag("--no-huge", s.no_huge, "use no huge pages");
    app.add_option("--depth", s.load.depth, "I/Os outstanding on each core");
    app.add_option("--bytes", s.load.bytes, "of an I/O");
    app.add_option("--write-percent", s.load.write_percent, "writes, percent: the namespace is overwritten");
    app.add_option("--ramp", s.ramp, "seconds before the measurement");
    app.add_option("--seconds", s.seconds, "of the measurement");
    CLI11_PARSE(app, argc, argv);

    const core::environment environment = bench::start(s);
    core::tsc_clock clock;
    core::blocking_pool blocking;
    core::reactor_group group(environment.cpus(), clock, blocking);
    core::lcore_runner runner(environment, group);
    bdev::registry devices(group);
    bdev_nvme::pci_bus bus;
    bdev_nvme::controllers all(devices, bus);
    group.control().execute([&] { core::detach(bench::measure(group, devices, all, s), [&] { runner.stop(); }); });
    runner.run();
}
