// SPDX-License-Identifier: Apache-2.0
// What the gateway's own code costs: one core, `loop` and the null device, so many commands outstanding.
// On its own it prints time; instructions.sh counts instructions with it.

#include "bdev/null_device.h"
#include "bdev/uuid.h"
#include "core/blocking_pool.h"
#include "core/clock.h"
#include "host/loop/host_controller.h"
#include "nvmf/model/subsystem.h"
#include "nvmf/target.h"
#include "tests/bench/load.h"
#include "transport/loop/loop_transport.h"

#include <chrono>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace causeway::bench {
namespace {

const nvmf::transport_address address{"LOOP", "", "here", "4420"};

void must(const core::result<>& r) {
    if (!r) {
        std::fprintf(stderr, "%s\n", r.error().text().c_str());
        std::exit(1);
    }
}

/// By name for callgrind: all that is counted runs in here.
[[gnu::noinline]] void measured(core::reactor& r, const load& l, std::uint64_t until) {
    while (l.completed() < until)
        r.turn();
}

/// One reactor whose turns the main thread takes: no other thread disturbs the count.
class bench {
  public:
    bench(loop::data_path path, const load_options& o, const bdev::rate_limits& limits) {
        auto made = loop::loop_transport::create(target_, {}, path);
        transport_ = made->get();
        must(target_.add_transport(std::move(*made)));
        wait_for(prepare(limits));
        load_ = std::make_unique<load>(host_->io(0), o);
        load_->start();
    }
    ~bench() {
        wait_for(load_->stop());
        wait_for(host_->disconnect());
        wait_for(target_.shutdown());
    }

    void run(std::uint64_t commands) {
        measured(group_[0], *load_, load_->completed() + commands);
        if (load_->failed()) {
            std::fprintf(stderr, "%llu commands failed\n", static_cast<unsigned long long>(load_->failed()));
            std::exit(1);
        }
    }

    static constexpr std::uint64_t blocks = 1 << 20;

  private:
    core::task<> prepare(bdev::rate_limits limits) {
        const bdev::device_geometry g{.block_size = 512, .blocks = blocks};
        must(devices_.add(std::make_shared<bdev::null_device>(group_, "Null0", g, bdev::uuid_of_name("Null0"))));
        nvmf::subsystem_options o;
        o.nqn = "nqn.2024-01.io.causeway:bench";
        o.allow_any_host = true;
        const auto subsystem = co_await target_.create_subsystem(o);
        must(co_await (*subsystem)->listeners().add(address));
        nvmf::namespace_params p;
        p.bdev_name = "Null0";
        (void)co_await (*subsystem)->namespaces().add(p);
        co_await devices_.find("Null0")->set_limits(limits);
        host_ = std::make_unique<loop::host_controller>(*transport_);
        loop::host_options h;
        h.at = address;
        h.subnqn = o.nqn;
        h.hostnqn = "nqn.2024-01.io.causeway:load";
        must(co_await host_->connect(h));
    }
    void wait_for(core::task<> t) {
        struct whole {
            static core::task<> of(core::reactor& r, core::task<> t, bool& done) {
                co_await core::switch_to(r);
                co_await std::move(t);
                done = true;
            }
        };
        bool done = false;
        core::detach(whole::of(group_[0], std::move(t), done));
        while (!done)
            group_[0].turn();
    }

    core::tsc_clock clock_;
    core::blocking_pool blocking_;
    core::reactor_group group_{{0}, clock_, blocking_};
    core::placement homes_{group_};
    bdev::registry devices_{group_};
    nvmf::target target_{homes_, devices_};
    loop::loop_transport* transport_ = nullptr;
    std::unique_ptr<loop::host_controller> host_;
    std::unique_ptr<load> load_;
};

}  // namespace
}  // namespace causeway::bench

int main(int argc, char** argv) {
    using namespace causeway;
    std::uint64_t commands = 1'000'000;
    bench::load_options o;
    o.blocks = bench::bench::blocks;
    bool write = false, copy = false;
    bdev::rate_limits limits;
    CLI::App app("Commands through loop and the null device, on one core.");
    app.option_defaults()->always_capture_default();
    app.add_option("--commands", commands, "how many");
    app.add_option("--depth", o.depth, "commands outstanding");
    app.add_option("--bytes", o.bytes, "of each");
    app.add_flag("--write", write, "write instead of read");
    app.add_option("--ios-per-sec", limits.rw_ios_per_sec, "a limit of the device; 0: none");
    app.add_option("--mbytes-per-sec", limits.rw_mbytes_per_sec, "another one");
    app.add_flag("--copy", copy, "copy the data, as a network would");
    CLI11_PARSE(app, argc, argv);
    o.write_percent = write ? 100 : 0;
    const auto path = copy ? loop::data_path::copy : loop::data_path::borrow;
    bench::bench b(path, o, limits);
    const auto began = std::chrono::steady_clock::now();
    b.run(commands);
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - began;
    std::printf("commands %llu  depth %u  bytes %u  %s  %s: %.0f ns per command on one core, host included\n",
                static_cast<unsigned long long>(commands), o.depth, o.bytes, o.write_percent ? "write" : "read",
                path == loop::data_path::copy ? "copied" : "borrowed", took.count() / static_cast<double>(commands));
}
