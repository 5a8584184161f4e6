// SPDX-License-Identifier: Apache-2.0
// What a gateway costs that has nothing to do: disks open, hosts connected to every core with keep-alive timers, no
// I/O. Without --image the disks are in memory; with it they are that RBD image and its siblings NAME0, NAME1, …

#include "bdev/memory_device.h"
#include "bdev/uuid.h"
#include "bdev_rbd/disks.h"
#include "ceph/clusters.h"
#include "core/placement.h"
#include "host/loop/commands.h"
#include "tests/bench/gateway.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace causeway::bench {
namespace {

using namespace std::chrono_literals;

struct settings {
    std::string lcores = "0@0,1@1";
    std::string conf, image;
    unsigned disks = 8, connections = 8;  ///< connections: of each core, admin and I/O queues together
    std::uint32_t kato_ms = 15'000;
    double seconds = 10;
};

core::task<> open_disks(gateway& g, const settings& s, bdev_rbd::disks& images, core::placement& homes) {
    for (unsigned n = 0; n < s.disks; ++n) {
        std::shared_ptr<bdev::device> disk;
        if (s.image.empty()) {
            const std::string name = "Malloc" + std::to_string(n);
            disk = need(bdev::memory_device::create(homes.lease(core::lease_kind::disk), name,
                                                    {.block_size = 512, .blocks = 1 << 14}, bdev::uuid_of_name(name)));
        } else {
            bdev_rbd::disk_params p;
            p.image.pool = "rbd";
            p.image.name = s.image + std::to_string(n);
            p.cluster_name = "cluster";
            auto opened = co_await images.create(p);
            disk = need(std::move(opened));
        }
        co_await g.add(std::move(disk), n + 1);
    }
}

/// The keep-alives of one host.
core::task<> keep_alive(loop::host_controller& c, std::uint32_t kato_ms, const bool& over, unsigned& running) {
    while (!over) {
        const nvme::completion answer = co_await c.admin().run(loop::make_keep_alive());
        if (!answer.status().ok())
            give_up("keep alive: " + nvme::to_string(answer.status()));
        for (std::uint32_t ms = 0; ms < kato_ms / 2 && !over; ms += 500)
            co_await core::sleep_for(500ms);
    }
    --running;
}

core::task<> measure(gateway& g, const settings& s) {
    core::placement homes(g.group(), core::placement_policy::round_robin);
    ceph::clusters clusters(g.group());
    bdev_rbd::disks images(g.devices(), clusters, homes);
    if (!s.image.empty()) {
        ceph::client_options o;
        o.config_file = s.conf;
        auto connected = co_await clusters.add("cluster", o);
        need(std::move(connected));
    }
    co_await open_disks(g, s, images, homes);

    // Each host has an admin queue and an I/O queue: together they spread over the cores as so many connections each.
    const auto hosts = static_cast<unsigned>(s.connections * g.group().size() / 2);
    std::vector<std::unique_ptr<loop::host_controller>> all;
    bool over = false;
    unsigned running = hosts;
    for (unsigned n = 0; n < hosts; ++n) {
        auto& c = *all.emplace_back(std::make_unique<loop::host_controller>(g.transport()));
        auto o = g.host();
        o.kato_ms = s.kato_ms;
        auto connected = co_await c.connect(o);
        need(std::move(connected));
        core::detach(keep_alive(c, s.kato_ms, over, running));
    }

    co_await core::sleep_for(2s);
    const double cpu = cpu_seconds();
    std::vector<std::uint64_t> sleeps;
    for (const auto& r : g.group())
        sleeps.push_back(r->stats().sleeps.get());
    const auto began = std::chrono::steady_clock::now();
    co_await core::sleep_for(core::nanoseconds(static_cast<std::int64_t>(s.seconds * 1e9)));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    std::printf("%zu cores, %u %s, %zu connections, keep-alive timers of %u ms: %.3f %% of one CPU\n", g.group().size(),
                s.disks, s.image.empty() ? "disks in memory" : "RBD images", g.transport().connections(), s.kato_ms,
                100 * (cpu_seconds() - cpu) / took.count());
    for (std::size_t i = 0; i < g.group().size(); ++i) {
        const core::reactor& r = g.group()[i];
        std::printf("core %zu: woken %.1f times a second\n", i,
                    static_cast<double>(r.stats().sleeps.get() - sleeps[i]) / took.count());
    }

    over = true;
    while (running)
        co_await core::sleep_for(10ms);
    for (auto& c : all)
        co_await c->disconnect();
    for (unsigned n = 0; n < s.disks; ++n)
        co_await g.remove_namespace(n + 1);
    while (!g.devices().all().empty()) {
        const std::string name = g.devices().all().front()->name();
        core::result<> removed;
        if (s.image.empty())
            removed = co_await g.devices().remove(name);
        else
            removed = co_await images.remove(name);
        need(std::move(removed));
    }
    if (!s.image.empty())
        (void)co_await clusters.remove("cluster");
}

}  // namespace
}  // namespace causeway::bench

int main(int argc, char** argv) {
    using namespace causeway;
    bench::settings s;
    CLI::App app("What a gateway costs that has nothing to do.");
    app.option_defaults()->always_capture_default();
    app.add_option("--lcores", s.lcores, "of the gateway");
    app.add_option("--conf", s.conf, "the cluster's configuration file");
    app.add_option("--image", s.image, "of images NAME0, NAME1, …; without it disks in memory");
    app.add_option("--disks", s.disks, "how many");
    app.add_option("--connections", s.connections, "of each core, admin and I/O queues together");
    app.add_option("--kato-ms", s.kato_ms, "keep-alive timers, ms");
    app.add_option("--seconds", s.seconds, "of the measurement");
    CLI11_PARSE(app, argc, argv);
    bench::gateway g(s.lcores);
    g.run(bench::measure(g, s));
}
