// SPDX-License-Identifier: Apache-2.0
// Our NVMe driver alone, natively: against a controller in this process that ends every read at once and moves no data.
// The model of each queue runs on the queue's own core, so that two cores do twice the work of one. Prints JSON.
//
// Under callgrind (nvme_instructions.py) its instructions are counted.

#include "bdev_nvme/controllers.h"
#include "bdev_nvme/testing/model_bus.h"
#include "core/blocking_pool.h"
#include "core/log.h"
#include "core/thread_runner.h"
#include "tests/bench/device_load.h"
#include "tests/bench/gateway.h"

#include <chrono>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <latch>
#include <string>

namespace causeway::bench {
namespace {

using namespace std::chrono_literals;

struct settings {
    std::vector<unsigned> cpus{0};
    device_load::options load;
    std::uint64_t ios = 0;  ///< of each core; 0: by time
    double seconds = 2;
};

/// One queue of the model, or all of it, in the turns of a core.
struct model_turn final : core::poller {
    unsigned poll(unsigned) noexcept override {
        if (qid)
            model->step_queue(qid);
        else
            model->step();
        return 0;
    }
    bdev_nvme::testing::controller_model* model = nullptr;
    std::uint16_t qid = 0;
};

bdev_nvme::testing::model_options fast_model(std::size_t queues) {
    bdev_nvme::testing::model_options o;
    o.namespaces = {{.blocks = 1 << 20}};
    o.queues = static_cast<std::uint16_t>(queues);
    o.keeps_data = false;
    return o;
}

struct bench {
    explicit bench(const settings& s) : options(s), group(s.cpus, clock, blocking, polling()) {}

    static core::reactor_options polling() {
        core::reactor_options o;
        o.never_sleep = true;
        return o;
    }

    core::task<> measure() {
        const std::size_t cores = group.size();
        const auto model = models.add(fast_model(cores));
        model_turn whole;
        whole.model = model.get();
        auto turning = std::make_unique<core::poller_registration>(group.control(), "model", whole);
        bdev_nvme::attach_params p;
        p.name = "Nvme0";
        p.address = model->address();
        auto made = co_await all.attach(std::move(p));
        need(std::move(made));
        const auto device = devices.find("Nvme0n1");

        // From here on each queue is served on its own core, and no core touches the admin queue.
        turning.reset();
        std::vector<model_turn> turns(cores);
        std::vector<std::unique_ptr<core::poller_registration>> registrations(cores);
        std::vector<std::unique_ptr<device_load>> loads;
        for (std::size_t i = 0; i < cores; ++i) {
            device_load::options o = options.load;
            o.seed = i + 1;
            if (options.ios)
                o.most = options.ios;
            loads.push_back(std::make_unique<device_load>(*device, o));
            turns[i].model = model.get();
            turns[i].qid = static_cast<std::uint16_t>(i + 1);
        }
        const auto began = std::chrono::steady_clock::now();
        co_await core::for_each_reactor(group, [&](core::reactor& r) {
            registrations[r.index()] = std::make_unique<core::poller_registration>(r, "model", turns[r.index()]);
            loads[r.index()]->start();
        });
        if (!options.ios)
            co_await core::sleep_for(core::nanoseconds(static_cast<std::int64_t>(options.seconds * 1e9)));
        for (std::size_t i = 0; i < cores; ++i) {
            co_await core::switch_to(group[i]);
            if (options.ios)
                while (!loads[i]->stopped())
                    co_await core::yield();
            co_await loads[i]->stop();
        }
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
        std::uint64_t ios = 0;
        for (std::size_t i = 0; i < cores; ++i) {
            co_await core::switch_to(group[i]);
            registrations[i].reset();
            ios += loads[i]->completed();
        }
        co_await core::switch_to(group.control());
        std::printf("{\"cores\": %zu, \"ios\": %llu, \"iops\": %.0f}\n", cores, static_cast<unsigned long long>(ios),
                    static_cast<double>(ios) / took.count());
        turning = std::make_unique<core::poller_registration>(group.control(), "model", whole);
        co_await all.close();
        turning.reset();
        ended.count_down();
    }

    void run() {
        core::thread_runner runner(group, core::thread_runner::affinity::reactor_cpus);
        group.control().execute([this] { core::detach(measure()); });
        ended.wait();
        runner.stop();
    }

    const settings options;
    core::tsc_clock clock;
    core::blocking_pool blocking;
    core::reactor_group group;
    bdev::registry devices{group};
    bdev_nvme::testing::model_bus models;
    bdev_nvme::controllers all{devices, models};
    std::latch ended{1};
};

}  // namespace
}  // namespace causeway::bench

int main(int argc, char** argv) {
    using namespace causeway;
    core::log::set_print_level(core::log::level::warning);
    bench::settings s;
    CLI::App app("The NVMe driver against a controller in memory.");
    app.option_defaults()->always_capture_default();
    app.add_option("--cpus", s.cpus, "a reactor on each")->delimiter(',');
    app.add_option("--depth", s.load.depth, "I/Os outstanding on each core");
    app.add_option("--bytes", s.load.bytes, "of an I/O");
    app.add_option("--write-percent", s.load.write_percent, "writes, percent");
    app.add_option("--ios", s.ios, "I/Os of each core; 0: for --seconds");
    app.add_option("--seconds", s.seconds, "of the measurement");
    CLI11_PARSE(app, argc, argv);
    bench::bench(s).run();
}
