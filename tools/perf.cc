// SPDX-License-Identifier: Apache-2.0
#include "tools/perf.h"

#include "core/unique_fd.h"
#include "host/controller.h"
#include "tools/connect.h"
#include "tools/perf_worker.h"
#include "tools/reactors.h"

#include <algorithm>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace causeway::tools {

namespace {

using steady = std::chrono::steady_clock;
using std::chrono::duration;

/// Controllers, separate or as paths of one subsystem, and the namespaces that are driven.
struct connections {
    std::vector<std::unique_ptr<host::connector>> connectors;
    std::vector<std::unique_ptr<host::controller>> controllers;
    std::unique_ptr<host::path_set> paths;
    std::vector<perf_disk> disks;
};

core::result<perf_disk> disk_of(const perf_options& o, std::size_t way, const std::string& name, std::uint32_t nsid,
                                const nvme::identify_namespace& ns) {
    const auto about = fmt::format("{}, namespace {}", name, nsid);
    const unsigned format = (ns.flbas & 0xf) | (ns.flbas >> 1 & 0x30);
    const auto& f = ns.lbaf[format];
    if (ns.nsze == 0)
        return core::fail(ENOENT, "is not active", about);
    if (f.lbads < 9 || f.lbads > 16 || f.ms != 0)
        return core::fail(ENOTSUP, fmt::format("has blocks of 2^{} bytes with {} of metadata", f.lbads, f.ms.value()),
                          about);
    perf_disk d{.way = way, .nsid = nsid, .block_size = 1u << f.lbads, .slots = 0};
    if (o.size % d.block_size || o.size / d.block_size > 65536)
        return core::fail(
            EINVAL, fmt::format("{} bytes are not a multiple of the block size, {}", o.size, d.block_size), about);
    const std::uint64_t bytes = ns.nsze * d.block_size;
    d.slots = (o.region ? std::min(o.region, bytes) : bytes) / o.size;
    const std::uint64_t wanted = o.verify ? std::uint64_t{o.depth} * o.cpus.size() : 1;
    if (d.slots < wanted)
        return core::fail(
            EINVAL, fmt::format("has room for {} commands beside each other, {} are needed", d.slots, wanted), about);
    return d;
}

core::task<core::result<>> add_disks(const perf_options& o, host::controller& its, std::size_t way, connections& to) {
    if (o.size > its.max_data())
        co_return core::fail(EINVAL, fmt::format("takes at most {} bytes with a command (MDTS)", its.max_data()),
                             its.name());
    auto nsids = o.namespaces;
    if (nsids.empty()) {
        auto active = co_await its.active_namespaces();
        if (!active)
            co_return tl::make_unexpected(active.error());
        nsids = std::move(*active);
    }
    if (nsids.empty())
        co_return core::fail(ENOENT, "has no namespace for this host", fmt::format("{}, {}", its.name(), o.to.subnqn));
    for (const std::uint32_t nsid : nsids) {
        const auto ns = co_await its.identify_namespace(nsid);
        if (!ns)
            co_return tl::make_unexpected(ns.error());
        auto d = disk_of(o, way, its.name(), nsid, *ns);
        if (!d)
            co_return tl::make_unexpected(d.error());
        to.disks.push_back(*d);
    }
    co_return core::result<>{};
}

core::task<core::result<>> connect_each(const perf_options& o, const host::controller_options& how, connections& to) {
    for (const auto& a : o.to.addresses) {
        to.connectors.push_back(make_connector(a, o.to));
        auto k = std::make_unique<host::controller>(*to.connectors.back(), how);
        if (auto connected = co_await k->connect(); !connected)
            co_return connected;
        to.controllers.push_back(std::move(k));
        if (auto added = co_await add_disks(o, *to.controllers.back(), to.controllers.size() - 1, to); !added)
            co_return added;
    }
    co_return core::result<>{};
}

core::task<core::result<>> connect_paths(const perf_options& o, const host::controller_options& how, connections& to) {
    std::vector<std::unique_ptr<host::connector>> ways;
    for (const auto& a : o.to.addresses)
        ways.push_back(make_connector(a, o.to));
    host::path_set_options p{.controller = how};
    p.no_path_timeout = std::chrono::duration_cast<core::nanoseconds>(duration<double>(o.reconnect));
    to.paths = std::make_unique<host::path_set>(std::move(ways), std::move(p));
    if (auto started = co_await to.paths->start(); !started) {
        to.paths.reset();
        co_return started;
    }
    host::controller* const any = to.paths->any();
    if (!any)
        co_return core::fail(ECONNRESET, "the connection was lost again at once");
    co_return co_await add_disks(o, *any, 0, to);
}

core::task<core::result<>> connect_all(const perf_options& o, core::reactor_group& group, connections& to) {
    auto how = controller_options_of(o.to);  // the same host at all addresses
    how.io_depth = o.depth;
    for (const auto& r : group)
        how.io_reactors.push_back(r.get());
    if (o.reconnect > 0)
        co_return co_await connect_paths(o, how, to);
    co_return co_await connect_each(o, how, to);
}

core::task<> disconnect_all(connections& c) {
    for (auto& k : c.controllers)
        co_await k->disconnect();
    c.controllers.clear();
    if (c.paths)
        co_await c.paths->stop();
}

/// The work of all cores, and its phases.
class run {
  public:
    run(const perf_options& o, reactors& cores, connections& to, int stop,
        const std::function<void(const perf_progress&)>& tell)
        : options_(o), cores_(cores), stop_(stop), tell_(tell), idle_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        const auto n = static_cast<unsigned>(cores.group().size());
        for (unsigned i = 0; i < n; ++i) {
            std::vector<perf_way> ways;
            for (auto& k : to.controllers)
                ways.push_back({.queue = &k->io(i)});
            if (to.paths)
                ways.push_back({.paths = to.paths.get()});
            workers_.push_back(std::make_unique<perf_worker>(cores.group()[i], o, to.disks, ways, i, n));
            workers_.back()->on_idle = [this] {
                const std::uint64_t one = 1;
                [[maybe_unused]] const auto written = ::write(idle_.get(), &one, sizeof one);
            };
        }
    }

    perf_result go() {
        using enum perf_worker::phase;
        if (options_.warm_up > 0 && !options_.count)
            during(warming_up, options_.warm_up, "warm-up");
        const auto began = steady::now();
        const auto busy_before = busy_ticks();
        during(measuring, options_.seconds > 0 ? options_.seconds : -1, "");
        const double seconds = duration<double>(steady::now() - began).count();
        const auto busy = busy_ticks() - busy_before;
        stop_all();
        perf_result result = collect(seconds);
        result.busy = static_cast<double>(busy) / static_cast<double>(cores_.group().time().per_second()) / seconds /
                      static_cast<double>(workers_.size());
        if (options_.verify && result.trouble.empty()) {
            during(reading_back, -1, "reading back");
            stop_all();
            const perf_result read_back = collect(seconds);
            result.failed = read_back.failed;
            result.verified_blocks = read_back.verified_blocks;
            result.trouble = read_back.trouble;
            result.lost = read_back.lost;
        }
        return result;
    }

  private:
    void enter(perf_worker::phase p) {
        for (std::size_t i = 0; i < workers_.size(); ++i)
            core::thread_runner::call(cores_.group()[i], [&, i] { workers_[i]->enter(p); });
    }

    /// Until the time is over (negative: no limit), a worker has nothing more to do, or the run has to stop.
    void during(perf_worker::phase p, double seconds, const char* name) {
        if (stopped_)
            return;
        enter(p);
        const auto begin = steady::now();
        const auto end = seconds < 0 ? steady::time_point::max()
                                     : begin + std::chrono::duration_cast<steady::duration>(duration<double>(seconds));
        auto last = begin, next = begin + std::chrono::seconds(1);
        std::uint64_t commands = total();
        while (!all_idle()) {
            const auto until = std::min(end, next);
            wait(until);
            if (stopped_ || has_trouble_)
                return;
            const auto now = steady::now();
            if (now >= end)
                return;
            if (now < next)
                continue;
            const auto done = total();
            const double passed = duration<double>(now - last).count();
            const double iops = static_cast<double>(done - std::exchange(commands, done)) / passed;
            tell_({duration<double>(now - begin).count(), iops, iops * options_.size / (1 << 20), name});
            last = now;
            next = now + std::chrono::seconds(1);
        }
    }

    /// Until then, or a worker is idle, or it is to stop.
    void wait(steady::time_point until) {
        int left = -1;
        if (until != steady::time_point::max())
            left = std::max(
                0, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(until - steady::now()).count()));
        pollfd watched[] = {{idle_.get(), POLLIN, 0}, {stop_, POLLIN, 0}};
        ::poll(watched, 2, left);
        stopped_ |= (watched[1].revents & POLLIN) != 0;
        std::uint64_t woken;
        if (::read(idle_.get(), &woken, sizeof woken) != sizeof woken)
            return;
        for (const auto& w : workers_)
            has_trouble_ |= w->is_idle() && !w->trouble().empty();
    }

    void stop_all() {
        if (all_idle())
            return;
        enter(perf_worker::phase::idle);
        while (!all_idle()) {
            pollfd watched{idle_.get(), POLLIN, 0};
            std::uint64_t woken;
            ::poll(&watched, 1, -1);
            [[maybe_unused]] const auto n = ::read(idle_.get(), &woken, sizeof woken);
        }
    }

    bool all_idle() const {
        return std::all_of(workers_.begin(), workers_.end(), [](const auto& w) { return w->is_idle(); });
    }

    std::uint64_t total() const {
        std::uint64_t n = 0;
        for (const auto& w : workers_)
            n += w->commands.get();
        return n;
    }

    core::ticks busy_ticks() const {
        core::ticks n = 0;
        for (const auto& r : cores_.group())
            n += r->stats().busy_ticks.get();
        return n;
    }

    perf_result collect(double seconds) const;

    const perf_options& options_;
    reactors& cores_;
    const int stop_;
    const std::function<void(const perf_progress&)>& tell_;
    const core::unique_fd idle_;
    std::vector<std::unique_ptr<perf_worker>> workers_;
    bool stopped_ = false, has_trouble_ = false;
};

perf_result run::collect(double seconds) const {
    perf_result all;
    all.seconds = seconds;
    for (const auto& w : workers_) {
        all.outstanding += w->depth();
        all.failed += w->failed();
        all.verified_blocks += w->verified_blocks.get();
        if (all.trouble.empty()) {
            all.trouble = w->trouble();
            all.lost = w->lost();
        }
    }
    const auto& clock = cores_.group().time();
    for (const bool writes : {false, true}) {
        auto together = std::make_unique<host::histogram>();
        for (const auto& w : workers_)
            together->add(w->side(writes).ticks);
        const auto ns = [&](auto ticks) {
            return static_cast<double>(clock.to_nanoseconds(static_cast<core::ticks>(ticks)).count());
        };
        perf_result::side& s = writes ? all.write : all.read;
        s.commands = together->count();
        s.bytes = s.commands * options_.size;
        s.min = ns(together->min());
        s.mean = ns(together->mean());
        s.max = ns(together->max());
        for (const auto& [name, percent] :
             {std::pair{"p50", 50.}, {"p90", 90.}, {"p99", 99.}, {"p99.9", 99.9}, {"p99.99", 99.99}})
            s.percentiles.emplace_back(name, ns(together->percentile(percent)));
    }
    return all;
}

}  // namespace

core::result<perf_result> run_perf(const perf_options& o, int stop_descriptor,
                                   const std::function<void(const perf_progress&)>& tell) {
    connections to;
    reactors cores(o.cpus, {.never_sleep = !o.events});
    const auto connected = cores.run([&] { return connect_all(o, cores.group(), to); });
    if (!connected) {
        cores.run([&] { return disconnect_all(to); });
        return tl::make_unexpected(connected.error());
    }
    perf_result result;
    {
        run r(o, cores, to, stop_descriptor, tell);
        result = r.go();
        if (to.paths) {
            result.reconnects = cores.run([&]() -> core::task<std::uint64_t> { co_return to.paths->reconnects(); });
            for (std::size_t i = 0; i < cores.group().size(); ++i)
                result.redriven += to.paths->redriven(i);
        }
        cores.run([&] { return disconnect_all(to); });
    }
    return result;
}

}  // namespace causeway::tools
