// SPDX-License-Identifier: Apache-2.0
// Load on one RBD image, through `loop` and bdev_rbd, as fio's rbd engine makes it: random 4 KiB, so many outstanding.
// Run by rbd_beside_fio.py, which runs both. Prints JSON.

#include "bdev_rbd/disks.h"
#include "ceph/clusters.h"
#include "core/placement.h"
#include "tests/bench/gateway.h"
#include "tests/bench/load.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace causeway::bench {
namespace {

struct settings {
    std::string lcores = "0@0";
    std::string conf, pool = "rbd", image;
    std::string core_mask;  ///< for Ceph's threads
    load_options load;
    core::reactor_options reactors;
    double ramp = 1, seconds = 5;
};

core::nanoseconds seconds(double s) {
    return core::nanoseconds(static_cast<std::int64_t>(s * 1e9));
}

core::task<> measure(gateway& g, const settings& s) {
    core::placement homes(g.group(), core::placement_policy::round_robin);
    ceph::clusters clusters(g.group());
    bdev_rbd::disks disks(g.devices(), clusters, homes);
    bdev_rbd::disk_params p;
    p.name = "Ceph0";
    p.image.pool = s.pool;
    p.image.name = s.image;
    p.client.config_file = s.conf;
    p.client.core_mask = s.core_mask;
    auto opened = co_await disks.create(p);
    const auto disk = need(std::move(opened));
    co_await g.add(disk, 1);

    load_options o = s.load;
    o.block_size = disk->geometry().block_size;
    o.blocks = disk->blocks();
    loop::host_controller host(g.transport());
    auto connected = co_await host.connect(g.host());
    need(std::move(connected));
    load l(host.io(0), o);
    l.start();

    co_await core::sleep_for(seconds(s.ramp));
    const std::uint64_t commands = l.completed(), waited = l.nanoseconds();
    const double cpu = cpu_seconds();
    const auto began = std::chrono::steady_clock::now();
    co_await core::sleep_for(seconds(s.seconds));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    const double used = cpu_seconds() - cpu;
    const auto done = static_cast<double>(l.completed() - commands);
    std::printf("{\"iops\": %.1f, \"cpu_us\": %.2f, \"latency_us\": %.1f, \"failed\": %llu}\n", done / took.count(),
                used * 1e6 / done, static_cast<double>(l.nanoseconds() - waited) / done / 1e3,
                static_cast<unsigned long long>(l.failed()));

    co_await l.stop();
    co_await host.disconnect();
    // The image is opened for `disks`, and goes with its placement: before the gateway does.
    co_await g.remove_namespace(1);
    auto removed = co_await disks.remove("Ceph0");
    need(std::move(removed));
}

}  // namespace
}  // namespace causeway::bench

int main(int argc, char** argv) {
    using namespace causeway;
    bench::settings s;
    CLI::App app("An RBD image through loop and bdev_rbd, in one process.");
    app.option_defaults()->always_capture_default();
    std::uint32_t busy_poll_us = static_cast<std::uint32_t>(s.reactors.busy_poll_window / std::chrono::microseconds(1));
    app.add_option("--image", s.image, "the image")->required();
    app.add_option("--conf", s.conf, "the cluster's configuration file");
    app.add_option("--pool", s.pool, "its pool");
    app.add_option("--depth", s.load.depth, "commands outstanding");
    app.add_option("--write-percent", s.load.write_percent, "writes, percent");
    app.add_option("--ramp", s.ramp, "seconds before the measurement");
    app.add_option("--seconds", s.seconds, "of the measurement");
    app.add_option("--lcores", s.lcores, "of the gateway");
    app.add_option("--core-mask", s.core_mask, "for Ceph's threads");
    app.add_option("--busy-poll-us", busy_poll_us, "how long an idle core polls before it sleeps, us");
    CLI11_PARSE(app, argc, argv);
    s.reactors.busy_poll_window = std::chrono::microseconds(busy_poll_us);
    bench::gateway g(s.lcores, s.reactors);
    g.run(bench::measure(g, s));
}
