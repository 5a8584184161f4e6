// SPDX-License-Identifier: Apache-2.0
// What placement is for: disks whose submission costs processor time on their home core, as librbd's does. Eight of
// them on two cores, under load from hosts on both; their homes once by round_robin and once all on the first core, by
// turns.

#include "bdev/uuid.h"
#include "core/placement.h"
#include "tests/bench/gateway.h"
#include "tests/bench/load.h"

#include <algorithm>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <string>
#include <vector>

namespace causeway::bench {
namespace {

using namespace std::chrono_literals;

/// Work that takes as many instructions wherever and whenever it runs. (A loop that watches the clock would be faster
/// the more often the kernel takes its core away.)
[[gnu::noinline]] void burn(std::uint64_t rounds) noexcept {
    for (std::uint64_t i = 0; i < rounds; ++i)
        asm volatile("" ::: "memory");
}

/// A disk that keeps nothing, and whose submission burns so many rounds on its home core.
class burning_device final : public bdev::device {
  public:
    burning_device(core::core_lease home, std::string name, std::uint64_t rounds)
        : device(home.home().group(), name, {.block_size = 512, .blocks = 1 << 20},
                 {.ops = bdev::ops({bdev::op::read, bdev::op::write})}, bdev::uuid_of_name(name)),
          lease_(std::move(home)), rounds_(rounds) {}
    std::string_view product_name() const noexcept override { return "Burning disk"; }
    core::reactor* home() const noexcept override { return &lease_.home(); }

  private:
    void submit(bdev::io& i) noexcept override {
        if (core::reactor::current() == &lease_.home())
            return run(i);
        i.handle = [](core::message& m) noexcept {
            auto& i = static_cast<bdev::io&>(m);
            static_cast<burning_device*>(i.owner)->run(i);
        };
        lease_.home().post(i);
    }
    void run(bdev::io& i) noexcept {
        burn(rounds_);
        if (i.origin == &lease_.home())
            i.complete(nvme::sc::success);
        else
            i.complete_from_anywhere(nvme::sc::success);
    }

    const core::core_lease lease_;
    const std::uint64_t rounds_;
};

struct settings {
    std::string lcores = "0@0,1@1";
    unsigned disks = 8, hosts = 8, depth = 16, rounds = 5;
    double burn_us = 10, seconds = 1;
};

/// Rounds of burn() in a microsecond: the best of some tries, for others may use this machine, too.
double rounds_per_us() {
    constexpr std::uint64_t rounds = 2'000'000;
    double best = 0;
    for (int i = 0; i < 20; ++i) {
        const auto began = std::chrono::steady_clock::now();
        burn(rounds);
        const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - began;
        best = std::max(best, static_cast<double>(rounds) / took.count());
    }
    return best;
}

struct outcome {
    double iops = 0;
    std::vector<double> busy;
};

/// One host on a core, with one queue, and commands for all disks.
struct client {
    client(gateway& g, const load_options& o) : host(g.transport()), options(o) {}
    loop::host_controller host;
    load_options options;
    std::unique_ptr<bench::load> load;

    core::task<> begin(const gateway& g) {
        auto connected = co_await host.connect(g.host());
        need(std::move(connected));
        load = std::make_unique<bench::load>(host.io(0), options);
        load->start();
    }
    core::task<> end() {
        co_await load->stop();
        co_await host.disconnect();
    }
};

core::task<> measure(gateway& g, const settings& s, core::placement_policy policy, std::uint64_t rounds,
                     outcome& result) {
    core::reactor_group& group = g.group();
    core::placement homes(group, policy);
    for (unsigned d = 0; d < s.disks; ++d)
        co_await g.add(std::make_shared<burning_device>(homes.lease(core::lease_kind::disk),
                                                        "Burning" + std::to_string(d), rounds),
                       d + 1);

    std::vector<std::unique_ptr<client>> clients;
    for (unsigned n = 0; n < s.hosts; ++n) {
        load_options o;
        o.namespaces = s.disks;
        o.blocks = 1 << 20;
        o.depth = s.depth;
        o.seed = n + 1;
        clients.push_back(std::make_unique<client>(g, o));
        co_await core::switch_to(group[n % group.size()]);
        co_await clients.back()->begin(g);
        co_await core::switch_to(group.control());
    }
    const auto completed = [&] {
        std::uint64_t sum = 0;
        for (const auto& c : clients)
            sum += c->load->completed();
        return sum;
    };
    co_await core::sleep_for(100ms);
    std::vector<busy_look> before;
    for (const auto& r : group)
        before.emplace_back(*r);
    const std::uint64_t at_first = completed();
    const auto began = std::chrono::steady_clock::now();
    co_await core::sleep_for(std::chrono::duration_cast<core::nanoseconds>(std::chrono::duration<double>(s.seconds)));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    result.iops = static_cast<double>(completed() - at_first) / took.count();
    result.busy.clear();
    for (std::size_t i = 0; i < group.size(); ++i)
        result.busy.push_back(busy_look(group[i]).share_since(before[i]));

    for (const auto& c : clients) {
        co_await core::switch_to(*c->host.io(0).home());
        co_await c->end();
        co_await core::switch_to(group.control());
    }
    clients.clear();
    for (unsigned d = 0; d < s.disks; ++d)
        co_await g.remove(d + 1, "Burning" + std::to_string(d));
}

void print(std::string_view policy, const outcome& o) {
    std::printf("%-12s %9.0f IOPS, busy:", std::string(policy).c_str(), o.iops);
    for (double share : o.busy)
        std::printf(" %3.0f %%", 100 * share);
    std::printf("\n");
}

outcome median(std::vector<outcome> all) {
    std::sort(all.begin(), all.end(), [](const outcome& a, const outcome& b) { return a.iops < b.iops; });
    return all[all.size() / 2];
}

/// How much more all cores burn at once than one alone: what the machine itself allows. Less than their number where
/// cores share a processor with each other, or with another process.
core::task<double> ceiling(gateway& g) {
    constexpr std::uint64_t rounds = 100'000'000;
    const auto time = [&g](std::size_t cores) -> core::task<double> {
        std::list<core::one_shot<bool>> done(cores);
        const auto began = std::chrono::steady_clock::now();
        auto each = done.begin();
        for (std::size_t i = 0; i < cores; ++i, ++each)
            g.group()[i].execute([&d = *each] {
                burn(rounds);
                d.set(true);
            });
        for (auto& d : done)
            co_await d;
        co_return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    };
    const double alone = co_await time(1);
    co_return static_cast<double>(g.group().size()) * alone / co_await time(g.group().size());
}

core::task<> compare(gateway& g, const settings& s) {
    const double per_us = rounds_per_us();
    std::printf(
        "%u disks on %zu cores; %u hosts, each with %u commands outstanding on all of them; %.1f us of work for "
        "each command on its disk's home core\n\n",
        s.disks, g.group().size(), s.hosts, s.depth, s.burn_us);
    std::vector<outcome> turns, first;
    std::vector<double> ceilings;
    for (unsigned round = 0; round < s.rounds; ++round) {
        for (const auto policy : {core::placement_policy::round_robin, core::placement_policy::first}) {
            outcome o;
            co_await measure(g, s, policy, static_cast<std::uint64_t>(s.burn_us * per_us), o);
            print(to_string(policy), o);
            (policy == core::placement_policy::first ? first : turns).push_back(o);
        }
        ceilings.push_back(co_await ceiling(g));
    }
    const outcome a = median(turns), b = median(first);
    std::printf("\nmedians:\n");
    print("round_robin", a);
    print("first", b);
    std::sort(ceilings.begin(), ceilings.end());
    std::printf(
        "round_robin does %.2f times as much; the machine itself does %.2f times as much with %zu cores as with one\n",
        a.iops / b.iops, ceilings[ceilings.size() / 2], g.group().size());
}

}  // namespace
}  // namespace causeway::bench

int main(int argc, char** argv) {
    using namespace causeway;
    bench::settings s;
    CLI::App app("round_robin beside first, on disks whose submission costs time.");
    app.option_defaults()->always_capture_default();
    app.add_option("--lcores", s.lcores, "of the gateway");
    app.add_option("--disks", s.disks, "how many");
    app.add_option("--hosts", s.hosts, "how many");
    app.add_option("--depth", s.depth, "commands outstanding of each host");
    app.add_option("--burn-us", s.burn_us, "what a submission costs, us");
    app.add_option("--rounds", s.rounds, "of each placement");
    app.add_option("--seconds", s.seconds, "of each measurement");
    CLI11_PARSE(app, argc, argv);
    bench::gateway g(s.lcores);
    g.run(bench::compare(g, s));
}
