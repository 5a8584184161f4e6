// SPDX-License-Identifier: Apache-2.0
#include "metrics/collect.h"

#include "bdev/device_counters.h"
#include "core/task.h"
#include "nvmf/model/controller.h"
#include "nvmf/model/nvm_namespace.h"
#include "nvmf/model/subsystem.h"

#include <fmt/format.h>
#include <set>

namespace causeway::metrics {

namespace {

// What collecting one of them costs, in microseconds.
constexpr unsigned us_of_a_device = 60;
constexpr unsigned us_of_a_subsystem = 10;

/// Of several rows with the same JSON name, as a compare-and-write is a write.
double total(const core::counter_group& counters, std::string_view json_name) {
    double sum = 0;
    for (const core::metric& m : counters.rows())
        if (m.json_name == json_name)
            sum += static_cast<double>(counters.value(m, 0, counters.cores()));
    return sum;
}

void add_gateway(families& to, const sources& from) {
    to.add_gauge(
        "ceph_nvmeof_gateway_info", "The gateway.",
        {{"version", CAUSEWAY_VERSION}, {"name", from.host_name}, {"hostname", from.host_name}, {"group", "_null_"}},
        1);
    to.add_gauge("causeway_configuration_failed_calls",
                 "Calls of the configuration that have failed and are tried again.", {},
                 static_cast<double>(from.failed_calls()));
    to.add_gauge("causeway_configuration_stored",
                 "1 if the last change of the configuration is stored, where it is kept.", {},
                 from.configuration_is_stored() ? 1 : 0);
}

void add_reactors(families& to, const core::reactor_group& group) {
    const auto rate = static_cast<double>(group.time().per_second());
    for (const auto& r : group) {
        const auto& stats = r->stats();
        const auto seconds = [&](const core::counter& c) { return static_cast<double>(c.get()) / rate; };
        // The name by which ceph-nvmeof's dashboards know it.
        const std::string group_name = fmt::format("nvmf_tgt_poll_group_{:03}", r->index());
        constexpr std::string_view used = "ceph_nvmeof_reactor_seconds_total";
        constexpr std::string_view used_help = "Time in which a reactor had work (busy) or none (idle).";
        to.add_counter(used, used_help, {{"name", group_name}, {"mode", "busy"}}, seconds(stats.busy_ticks));
        to.add_counter(used, used_help, {{"name", group_name}, {"mode", "idle"}}, seconds(stats.idle_ticks));
    }
}

void add_device_usage(families& to, const core::labels& name, const core::counter_group& counters,
                      std::uint32_t block_size, double ticks_per_second) {
    const auto add = [&](std::string_view metric, std::string_view help, std::string_view member, double unit) {
        to.add_counter(metric, help, name, total(counters, member) * unit);
    };
    add("ceph_nvmeof_bdev_reads_completed_total", "Reads that succeeded.", "num_read_ops", 1);
    add("ceph_nvmeof_bdev_writes_completed_total", "Writes that succeeded.", "num_write_ops", 1);
    add("ceph_nvmeof_bdev_read_bytes_total", "Bytes that were read.", "bytes_read", block_size);
    add("ceph_nvmeof_bdev_written_bytes_total", "Bytes that were written.", "bytes_written", block_size);
    add("ceph_nvmeof_bdev_read_seconds_total", "Time that reads have taken, together.", "read_latency_ticks",
        1 / ticks_per_second);
    add("ceph_nvmeof_bdev_write_seconds_total", "Time that writes have taken, together.", "write_latency_ticks",
        1 / ticks_per_second);
}

void add_device(families& to, const sources& from, const bdev::device& d) {
    const std::uint64_t rate = from.devices.group().time().per_second();
    const core::counter_group counters = bdev::counters_of(d);
    const bdev::device_geometry& g = d.geometry();
    const core::labels name = {{"bdev_name", d.name()}};
    to.add_group(counters, rate);
    to.add_gauge("ceph_nvmeof_bdev_capacity_bytes", "Size of the device.", name,
                 static_cast<double>(g.blocks) * g.block_size);
    if (const auto* rbd = from.image_of(d))
        to.add_gauge("ceph_nvmeof_bdev_metadata", "What the device is.",
                     {{"bdev_name", d.name()},
                      {"pool_name", rbd->image.pool},
                      {"namespace", rbd->image.rados_namespace},
                      {"rbd_name", rbd->image.name},
                      {"block_size", std::to_string(g.block_size)}},
                     1);
    add_device_usage(to, name, counters, g.block_size, static_cast<double>(rate));
}

std::string yes_or_no(bool b) {
    return b ? "yes" : "no";
}

/// Hosts that are connected, by where they come from, and those that might be and are not.
void add_hosts(families& to, const sources& from, const nvmf::subsystem& s) {
    constexpr std::string_view metric = "ceph_nvmeof_host_connection_state";
    constexpr std::string_view help = "1 if the host is connected, 0 if it is allowed to be and is not.";
    const auto add = [&](const std::string& host, const std::string& address, double state) {
        to.add_gauge(metric, help,
                     {{"gw_name", from.host_name}, {"nqn", s.nqn()}, {"host_nqn", host}, {"host_addr", address}},
                     state);
    };
    std::set<std::pair<std::string, std::string>> connected;
    std::set<std::string, std::less<>> names;
    for (const auto& [cntlid, c] : s.controllers().all())
        for (const auto& q : c->qpairs())
            if (q.qid == 0) {
                names.insert(c->host_nqn());
                connected.emplace(c->host_nqn(), q.peer_address.traddr + ":" + q.peer_address.trsvcid);
            }
    for (const auto& [host, address] : connected)
        add(host, address, 1);
    for (const auto& [host, keys] : s.access().hosts())
        if (!names.contains(host))
            add(host, "<n/a>", 0);
}

void add_subsystem(families& to, const sources& from, const nvmf::subsystem& s) {
    const core::labels nqn = {{"nqn", s.nqn()}};
    const auto& o = s.options();
    to.add_gauge("ceph_nvmeof_subsystem_metadata", "What the subsystem is.",
                 {{"nqn", s.nqn()},
                  {"serial_number", o.serial_number},
                  {"model_number", o.model_number},
                  {"allow_any_host", yes_or_no(s.access().allow_any_host())},
                  {"ha_enabled", yes_or_no(o.ana_reporting)},
                  {"group", "_null_"}},
                 1);
    const auto add_count = [&](std::string_view metric, std::string_view help, std::size_t n) {
        to.add_gauge(metric, help, nqn, static_cast<double>(n));
    };
    add_count("ceph_nvmeof_subsystem_listener_count", "Addresses at which the subsystem can be reached.",
              s.listeners().all().size());
    add_count("ceph_nvmeof_subsystem_host_count", "Hosts on the subsystem's list.", s.access().hosts().size());
    add_count("ceph_nvmeof_subsystem_namespace_count", "Namespaces of the subsystem.", s.namespaces().all().size());
    add_count("ceph_nvmeof_subsystem_namespace_limit", "Namespaces that the subsystem can have.", o.max_namespaces);
    for (const auto& [nsid, ns] : s.namespaces().all())
        to.add_gauge("ceph_nvmeof_subsystem_namespace_metadata", "Which device a namespace is.",
                     {{"nqn", s.nqn()},
                      {"nsid", std::to_string(nsid)},
                      {"bdev_name", ns->device().name()},
                      {"anagrpid", std::to_string(ns->ana_group())}},
                     1);
    add_hosts(to, from, s);
}

}  // namespace

core::task<std::vector<prometheus::MetricFamily>> collect(const sources& from) {
    families all;
    const auto& group = from.devices.group();
    add_gateway(all, from);
    add_reactors(all, group);
    const std::uint64_t rate = group.time().per_second();
    from.devices.counter_list().visit([&](const core::counter_group& g) {
        if (g.subject() == "reactor")
            all.add_group_by_core(g, rate);
        else if (g.subject() != bdev::device_counters.subject)
            all.add_group(g, rate);
    });
    const auto devices = from.devices.all();
    for (const auto& d : devices) {
        add_device(all, from, *d);
        co_await core::in_background(us_of_a_device);
    }
    if (!from.target)
        co_return std::move(all).take();
    const auto subsystems = from.target->subsystems();
    for (const auto& s : subsystems) {
        if (!s->is_discovery() && !s->closing())
            add_subsystem(all, from, *s);
        co_await core::in_background(us_of_a_subsystem);
    }
    co_return std::move(all).take();
}

}  // namespace causeway::metrics
