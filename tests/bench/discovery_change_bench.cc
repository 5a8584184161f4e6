// SPDX-License-Identifier: Apache-2.0
// What a change of the configuration costs the data I/O of the control reactor's core, where a thousand hosts follow
// the discovery log of a thousand subsystems: every host gets an event, and reads the whole log again.
//
// One thread takes the turns of both reactors, one after the other. What counts is what the turns of the control
// reactor have taken of the processor: on a machine that does other things as well, a core that is taken away for 10 ms
// finds all hosts waiting when it comes back, and a latency by the clock says more of that than of the gateway.

#include "bdev/registry.h"
#include "bdev/uuid.h"
#include "core/blocking_pool.h"
#include "core/clock.h"
#include "core/reactor_group.h"
#include "host/loop/commands.h"
#include "host/loop/host_controller.h"
#include "nvme/discovery.h"
#include "nvme/nqn.h"
#include "nvmf/model/subsystem.h"
#include "tests/bench/gateway.h"
#include "transport/loop/loop_transport.h"

#include <algorithm>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

namespace causeway::bench {
namespace {

const std::string data_nqn = "nqn.2024-01.io.example:data", changed_nqn = "nqn.2024-01.io.example:disk0";
const nvmf::transport_address first_address{"LOOP", "", "here", "4420"}, second_address{"LOOP", "", "here", "4421"};

struct settings {
    unsigned subsystems = 1000, hosts = 1000, changes = 4;
    std::uint32_t part = 4096;
    unsigned quiet_turns = 500'000;
};

/// A disk that is done at once, and knows on which cores its hosts' queues are.
class instant_device final : public bdev::device {
  public:
    explicit instant_device(core::reactor_group& group)
        : device(group, "Instant", {.block_size = 512, .blocks = 1 << 20}, {.ops = bdev::ops({bdev::op::read})},
                 bdev::uuid_of_name("Instant")) {}
    std::string_view product_name() const noexcept override { return "Instant disk"; }
    unsigned last_core() const noexcept { return last_core_.load(std::memory_order_relaxed); }

  private:
    void submit(bdev::io& i) noexcept override {
        last_core_.store(i.origin->index(), std::memory_order_relaxed);
        i.complete(nvme::sc::success);
    }
    std::atomic<unsigned> last_core_{~0u};
};

/// Times in microseconds, and their summary.
class samples {
  public:
    void add(double us) { all_.push_back(us); }
    void restart() {
        all_.clear();
        all_.reserve(1 << 22);  // growing would count
    }
    void print(const char* what) {
        if (all_.empty())
            return;
        std::sort(all_.begin(), all_.end());
        const auto at = [&](double share) {
            return all_[static_cast<std::size_t>(static_cast<double>(all_.size() - 1) * share)];
        };
        std::printf("  %-6s %9zu: p50 %6.1f  p99 %6.1f  p99.9 %6.1f  p99.99 %7.1f  max %7.1f us\n", what, all_.size(),
                    at(0.5), at(0.99), at(0.999), at(0.9999), all_.back());
    }

  private:
    std::vector<double> all_;
};

/// Microseconds that this thread has run.
double cpu_us() noexcept {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

/// A gateway on two reactors, and how long the turns of the first one take.
class two_core_gateway {
  public:
    explicit two_core_gateway(const nvmf::target_options& o) : target_(homes_, devices_, o) {
        auto loop = need(loop::loop_transport::create(target_));
        transport_ = loop.get();
        need(target_.add_transport(std::move(loop)));
    }

    core::reactor& control() noexcept { return group_.control(); }
    core::reactor& other() noexcept { return group_[1]; }
    bdev::registry& devices() noexcept { return devices_; }
    nvmf::target& target() noexcept { return target_; }
    loop::loop_transport& transport() noexcept { return *transport_; }
    core::reactor_group& group() noexcept { return group_; }

    /// Takes turns until the task, which begins on `on`, has ended.
    void run(core::reactor& on, core::task<> t) {
        struct whole {
            static core::task<> of(core::reactor& on, core::task<> t, bool& done) {
                co_await core::switch_to(on);
                co_await std::move(t);
                done = true;
            }
        };
        bool done = false;
        core::detach(whole::of(on, std::move(t), done));
        while (!done)
            turn();
    }
    void turn() {
        began_ = cpu_us();
        control().turn();
        const double took = cpu_us() - began_;
        before_ += took;
        turns.add(took);
        other().turn();
    }
    /// What the turns of the control reactor have taken altogether, until now. In one of them.
    double control_us() const noexcept { return before_ + cpu_us() - began_; }

    samples turns;

  private:
    core::tsc_clock clock_;
    core::blocking_pool blocking_;
    core::reactor_group group_{{0, 1}, clock_, blocking_};
    core::placement homes_{group_};
    bdev::registry devices_{group_};
    nvmf::target target_;
    loop::loop_transport* transport_ = nullptr;
    double before_ = 0, began_ = 0;
};

/// A host with one read outstanding, on the control reactor's core like its queue pair.
class data_host {
  public:
    explicit data_host(two_core_gateway& g) : gateway_(g), controller_(g.transport()) {}

    core::task<> begin() {
        loop::host_options o;
        o.at = first_address;
        o.subnqn = data_nqn;
        o.hostnqn = "nqn.2024-01.io.example:host";
        o.io_queues = 2;  // the admin queue is on the first core, so the first of these is on the second one
        need(co_await controller_.connect(o));
        read_.command = loop::make_block_command(nvme::io_opcode::read, 1, 0, 8, 4096);
        read_.data = {&piece_, 1};
        read_.context = this;
        read_.done = [](loop::host_request& r) noexcept { static_cast<data_host*>(r.context)->answered(); };
        send();
    }
    core::task<> end() {
        stopping_ = true;
        while (outstanding_)
            co_await core::yield();
        co_await controller_.disconnect();
    }
    void restart() {
        begun_before_ = true;
        latencies.restart();
    }
    samples latencies;  ///< in control_us()

  private:
    void send() {
        sent_ = gateway_.control_us();
        outstanding_ = controller_.io(1).submit(read_);
    }
    void answered() {
        outstanding_ = false;
        if (!std::exchange(begun_before_, false))
            latencies.add(gateway_.control_us() - sent_);
        if (!stopping_)
            send();
    }

    two_core_gateway& gateway_;
    loop::host_controller controller_;
    loop::host_request read_;
    std::vector<std::byte> memory_ = std::vector<std::byte>(4096);
    iovec piece_{memory_.data(), memory_.size()};
    double sent_ = 0;
    bool outstanding_ = false, stopping_ = false;
    bool begun_before_ = false;  ///< the read that is outstanding was sent before restart()
};

/// A host that follows the log: asks to be told of changes, and reads all of it, part by part, when it is. Lives on the
/// reactor where begin() was called.
class follower {
  public:
    follower(two_core_gateway& g, std::uint32_t part) : controller_(g.transport()), memory_(part) {}

    core::task<> begin(unsigned number) {
        loop::host_options o;
        o.at = first_address;
        o.subnqn = nvme::discovery_nqn;
        o.hostnqn = "nqn.2024-01.io.causeway:follower" + std::to_string(number);
        o.io_queues = 0;
        need(co_await controller_.connect(o));
        co_await controller_.admin().run(loop::make_set_features(nvme::fid::async_event_configuration, 0x80000000));
        co_await read_log();
        core::detach(follow());
    }
    core::task<> end() { co_await controller_.disconnect(); }
    std::uint64_t logs_read() const noexcept { return logs_read_.get(); }

  private:
    core::task<> follow() {
        for (;;) {
            const auto event = co_await controller_.admin().run(loop::make_async_event_request());
            if (!event.status().ok())
                co_return;  // it has left
            co_await read_log();
        }
    }
    core::task<> read_log() {
        std::uint64_t size = memory_.size();
        for (std::uint64_t at = 0; at < size; at += memory_.size()) {
            nvme::command c =
                loop::make_get_log_page(nvme::lid::discovery, static_cast<std::uint32_t>(memory_.size()), 0);
            c.cdw12 = static_cast<std::uint32_t>(at);
            const iovec piece{memory_.data(), memory_.size()};
            const auto answer = co_await controller_.admin().run(c, {&piece, 1});
            if (!answer.status().ok())
                give_up("Get Log Page: " + nvme::to_string(answer.status()));
            if (at == 0) {
                nvme::discovery_log_header header;
                std::memcpy(&header, memory_.data(), sizeof header);
                size = sizeof header + header.numrec * sizeof(nvme::discovery_log_entry);
            }
        }
        logs_read_.add();
    }

    loop::host_controller controller_;
    std::vector<std::byte> memory_;
    core::counter logs_read_;
};

core::task<nvmf::subsystem*> make_subsystem(two_core_gateway& g, std::string nqn) {
    nvmf::subsystem_options o;
    o.nqn = std::move(nqn);
    o.allow_any_host = true;
    auto* const made = need(co_await g.target().create_subsystem(o));
    need(co_await made->listeners().add(first_address));
    co_return made;
}

core::task<> build(two_core_gateway& g, const settings& s, std::shared_ptr<instant_device> disk) {
    need(g.devices().add(disk));
    auto* const data = co_await make_subsystem(g, data_nqn);
    nvmf::namespace_params p;
    p.bdev_name = disk->name();
    need(co_await data->namespaces().add(p));
    for (unsigned n = 0; n < s.subsystems; ++n)
        co_await make_subsystem(g, "nqn.2024-01.io.example:disk" + std::to_string(n));
}

core::task<> change(two_core_gateway& g, bool add) {
    nvmf::subsystem& s = *g.target().find_subsystem(changed_nqn);
    if (add)
        need(co_await s.listeners().add(second_address));
    else
        need(co_await s.listeners().remove(second_address));
}

void measure(const settings& s) {
    nvmf::target_options many;
    many.discovery = {.controllers = s.hosts, .per_address = s.hosts, .per_host = 32};
    two_core_gateway g(many);
    const auto disk = std::make_shared<instant_device>(g.group());
    g.run(g.control(), build(g, s, disk));
    data_host data(g);
    g.run(g.control(), data.begin());
    std::vector<std::unique_ptr<follower>> followers;
    for (unsigned n = 0; n < s.hosts; ++n)
        g.run(g.other(), followers.emplace_back(std::make_unique<follower>(g, s.part))->begin(n));
    if (disk->last_core() != g.control().index())
        give_up("the data host's queue is not on the control reactor's core");

    const auto restart = [&] {
        g.turns.restart();
        data.restart();
    };
    const auto print = [&](const char* phase) {
        std::printf("%s:\n", phase);
        data.latencies.print("reads");
        g.turns.print("turns");
    };
    restart();
    for (unsigned n = 0; n < s.quiet_turns; ++n)
        g.turn();
    print("nothing changes");
    for (unsigned n = 0; n < s.changes; ++n) {
        restart();
        const bool add = n % 2 == 0;
        g.run(g.control(), change(g, add));
        while (!std::ranges::all_of(followers, [&](const auto& f) { return f->logs_read() >= n + 2; }))
            g.turn();
        print(add ? "a listener is added" : "it is removed");
    }

    for (auto& f : followers)
        g.run(g.other(), f->end());
    g.run(g.control(), data.end());
    g.run(g.control(), g.target().shutdown());
}

}  // namespace
}  // namespace causeway::bench

int main(int argc, char** argv) {
    using namespace causeway;
    bench::settings s;
    CLI::App app("Data I/O on the control reactor's core while a change of the discovery log spreads.");
    app.option_defaults()->always_capture_default();
    app.add_option("--subsystems", s.subsystems, "each with a listener, and open to every host");
    app.add_option("--hosts", s.hosts, "that follow the log");
    app.add_option("--changes", s.changes, "of one subsystem's listeners");
    app.add_option("--part", s.part, "bytes of the log that a host reads at once");
    app.add_option("--quiet-turns", s.quiet_turns, "that are measured before the first change");
    CLI11_PARSE(app, argc, argv);
    bench::measure(s);
}
