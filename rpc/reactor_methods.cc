// SPDX-License-Identifier: Apache-2.0
#include "rpc/reactor_methods.h"

#include "rpc/cpu_info.h"
#include "rpc/params.h"

#include <fmt/format.h>
#include <unistd.h>

namespace causeway::rpc {

std::uint64_t thread_number(const core::reactor& r) noexcept {
    return r.index() + 1;  // existing clients take 0 for no thread
}

std::string thread_name(const core::reactor& r) {
    return fmt::format("nvmf_tgt_poll_group_{:03}", r.index());
}

namespace {

const declaration<> get_reactors_method = {
    .name = "framework_get_reactors",
    .summary = "Describes the cores: how busy each was, and what the system says of its CPU.",
    .result =
        "`tick_rate` (per second), `pid` and `reactors`, each with `lcore` (its CPU), `numa_id`, `tid`, `busy` and "
        "`idle` (ticks), `in_interrupt`, `irq`, `sys` and `usr` (jiffies), `stalls`, and `lw_threads`, its one thread",
};
const declaration<> get_scheduler_method = {
    .name = "framework_get_scheduler",
    .when = states::any,
    .summary = "Says which scheduler moves threads between cores: none does.",
    .result = "`scheduler_name`, always `static`; `scheduler_period` 0; `isolated_core_mask`; `scheduling_core`",
};
const declaration<> get_stats_method = {
    .name = "thread_get_stats",
    .summary = "Says how busy the thread of each core was.",
    .result =
        "`tick_rate` and `threads`, each with `name`, `id`, `cpumask`, `busy` and `idle` (ticks), and how many pollers "
        "and timers it has",
};
const declaration<> get_pollers_method = {
    .name = "thread_get_pollers",
    .summary = "Lists the pollers of each core's thread; its timers are counted by thread_get_stats.",
    .result =
        "`tick_rate` and `threads`, each with `name`, `id` and `active_pollers` (`name`, `id`, `state`, `run_count`, "
        "`busy_count`)",
};
const declaration<> get_io_channels_method = {
    .name = "thread_get_io_channels",
    .summary = "Lists the devices of each core: a device stands at its home core, one without at all.",
    .result = "`tick_rate` and `threads`, each with `name` and `io_channels` (`name` of a device, `ref` 1 if something "
              "uses it)",
};

/// The bit of one CPU in hexadecimal digits, as long as it takes.
std::string cpu_mask(unsigned cpu) {
    return fmt::format("{:x}{:0>{}}", 1u << cpu % 4, "", cpu / 4);
}

json as_thread(const core::reactor& r) {
    const auto& stats = r.stats();
    return {{"name", thread_name(r)},
            {"id", thread_number(r)},
            {"cpumask", cpu_mask(r.cpu())},
            {"elapsed", stats.busy_ticks.get() + stats.idle_ticks.get()}};
}

struct cpu_info {
    int numa_node;
    cpu_time time;
};

core::task<answer> get_reactors(core::reactor_group& group) {
    const auto info = co_await core::run_blocking(group, [&group] {
        std::vector<cpu_info> all;
        for (const auto& r : group)
            all.push_back({numa_node_of(r->cpu()), time_of(r->cpu())});
        return all;
    });
    json reactors = json::array();
    for (const auto& r : group) {
        const auto& [numa_node, time] = info[r->index()];
        reactors.push_back({{"lcore", r->cpu()},
                            {"numa_id", numa_node},
                            {"tid", r->thread_id()},
                            {"busy", r->stats().busy_ticks.get()},
                            {"idle", r->stats().idle_ticks.get()},
                            {"in_interrupt", !r->options().never_sleep},
                            {"irq", time.interrupts},
                            {"sys", time.system},
                            {"usr", time.user},
                            {"stalls", r->stats().stalls.get()},
                            {"lw_threads", json::array({as_thread(*r)})}});
    }
    co_return json{{"tick_rate", group.time().per_second()}, {"pid", ::getpid()}, {"reactors", reactors}};
}

/// What only the reactor itself may look at.
struct snapshot {
    std::vector<core::reactor::poller_view> pollers;
    std::size_t timers = 0;
};

core::task<std::vector<snapshot>> look_at_all(core::reactor_group& group) {
    std::vector<snapshot> all(group.size());
    co_await core::for_each_reactor(group, [&all](core::reactor& r) {
        all[r.index()] = {r.pollers(), r.timer_count()};
    });
    co_return all;
}

json threads(const core::reactor_group& group, json list) {
    return {{"tick_rate", group.time().per_second()}, {"threads", std::move(list)}};
}

core::task<answer> get_stats(core::reactor_group& group) {
    const auto all = co_await look_at_all(group);
    json list = json::array();
    for (const auto& r : group) {
        const snapshot& s = all[r->index()];
        list.push_back({{"name", thread_name(*r)},
                        {"id", thread_number(*r)},
                        {"cpumask", cpu_mask(r->cpu())},
                        {"busy", r->stats().busy_ticks.get()},
                        {"idle", r->stats().idle_ticks.get()},
                        {"active_pollers_count", s.pollers.size()},
                        {"timed_pollers_count", s.timers},
                        {"paused_pollers_count", 0}});
    }
    co_return threads(group, std::move(list));
}

core::task<answer> get_pollers(core::reactor_group& group) {
    const auto all = co_await look_at_all(group);
    json list = json::array();
    for (const auto& r : group) {
        json active = json::array();
        for (const auto& p : all[r->index()].pollers)
            active.push_back({{"name", p.name},
                              {"id", active.size() + 1},
                              {"state", "waiting"},
                              {"run_count", p.runs},
                              {"busy_count", p.busy_runs}});
        // Timers have no names and are not listed; thread_get_stats counts them.
        list.push_back({{"name", thread_name(*r)},
                        {"id", thread_number(*r)},
                        {"active_pollers", std::move(active)},
                        {"timed_pollers", json::array()},
                        {"paused_pollers", json::array()}});
    }
    co_return threads(group, std::move(list));
}

/// A device is used on its home reactor; one without on each.
answer get_io_channels(const core::reactor_group& group, const bdev::registry& devices) {
    json list = json::array();
    for (const auto& r : group) {
        json channels = json::array();
        for (const auto& d : devices.all())
            if (!d->home() || d->home() == r.get())
                channels.push_back({{"name", d->name()}, {"ref", d->claimed_by() ? 1 : 0}});
        list.push_back({{"name", thread_name(*r)}, {"io_channels", std::move(channels)}});
    }
    return threads(group, std::move(list));
}

/// Existing tools ask before they show cores. Nothing is ever moved, which is what their "static" stands for.
json scheduler(const core::reactor_group& group) {
    return {{"scheduler_name", "static"},
            {"scheduler_period", 0},
            {"isolated_core_mask", "0"},
            {"scheduling_core", group.control().cpu()}};
}

}  // namespace

void add_reactor_methods(method_table& methods, core::reactor_group& group, const bdev::registry& devices) {
    methods.add(get_reactors_method, [&group] { return get_reactors(group); });
    methods.add(get_scheduler_method, [&group] { return answer(scheduler(group)); });
    methods.add(get_stats_method, [&group] { return get_stats(group); });
    methods.add(get_pollers_method, [&group] { return get_pollers(group); });
    methods.add(get_io_channels_method, [&group, &devices] { return get_io_channels(group, devices); });
}

}  // namespace causeway::rpc
