// SPDX-License-Identifier: Apache-2.0
#include "tools/status.h"

#include "tools/table.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace causeway::tools {

core::result<sample> take_sample(rpc_client& gateway) {
    sample s;
    const std::pair<const char*, json*> questions[] = {
        {"framework_get_reactors", &s.reactors}, {"thread_get_io_channels", &s.channels}, {"bdev_get_bdevs", &s.bdevs},
        {"bdev_get_iostat", &s.iostat},          {"nvmf_get_subsystems", &s.subsystems},
    };
    for (const auto& [method, to] : questions) {
        auto result = gateway.call(method);
        if (!result)
            return tl::make_unexpected(result.error());
        *to = std::move(*result);
    }
    for (const auto& subsystem : s.subsystems) {
        const std::string nqn = subsystem.at("nqn");
        auto result = gateway.call("nvmf_subsystem_get_qpairs", {{"nqn", nqn}});
        if (result)  // or it was deleted meanwhile
            s.qpairs[nqn] = std::move(*result);
        if (auto listeners = gateway.call("nvmf_subsystem_get_listeners", {{"nqn", nqn}}))
            s.listeners[nqn] = std::move(*listeners);
    }
    if (auto transports = gateway.call("nvmf_get_transports"))
        s.transports = std::move(*transports);
    if (auto failed = gateway.call("framework_get_failed_config"))  // ours alone
        s.failed_config = std::move(*failed);
    return s;
}

namespace {

std::uint64_t number(const json& object, const char* key) {
    return object.value(key, std::uint64_t{0});
}

/// The element of an array of objects whose `key` is `value`; null: none.
const json& find(const json& array, const char* key, const json& value) {
    static const json none = json::object();
    for (const json& e : array)
        if (e.contains(key) && e[key] == value)
            return e;
    return none;
}

/// The number of a reactor by its thread's name: "nvmf_tgt_poll_group_003".
unsigned core_of_thread(const std::string& name) {
    const auto digits = name.find_last_not_of("0123456789") + 1;
    return digits < name.size() ? static_cast<unsigned>(std::stoul(name.substr(digits))) : 0;
}

double share_busy(const json& now, const json& before) {
    const auto since = [&](const char* key) {
        return static_cast<double>(number(now, key)) - static_cast<double>(number(before, key));
    };
    double busy = since("busy"), idle = since("idle");
    if (busy + idle <= 0) {  // one sample only
        busy = static_cast<double>(number(now, "busy"));
        idle = static_cast<double>(number(now, "idle"));
    }
    return busy + idle > 0 ? busy / (busy + idle) : 0;
}

/// The core that runs a device's I/O; -1: all do.
int core_of_disk(const json& threads, const std::string& name) {
    int core = -1;
    unsigned found = 0;
    for (const json& t : threads) {
        if (find(t.at("io_channels"), "name", name).empty())
            continue;
        core = static_cast<int>(core_of_thread(t.at("name")));
        ++found;
    }
    return found == 1 ? core : -1;
}

std::string describe(const json& bdev) {
    if (bdev.contains("driver_specific") && bdev["driver_specific"].contains("rbd")) {
        const json& rbd = bdev["driver_specific"]["rbd"];
        return fmt::format("{}/{}", rbd.value("pool_name", ""), rbd.value("rbd_name", ""));
    }
    return bdev.value("product_name", "");
}

void add_hosts(const sample& s, status& to) {
    for (const auto& [nqn, qpairs] : s.qpairs) {
        std::map<unsigned, status::host> by_cntlid;
        for (const json& q : qpairs) {
            const auto cntlid = q.at("cntlid").get<unsigned>();
            auto& h = by_cntlid.try_emplace(cntlid, status::host{}).first->second;
            const json& peer = q.at("peer_address");
            h.nqn = q.at("hostnqn");
            h.address = fmt::format("{} {}", peer.value("trtype", ""), peer.value("traddr", ""));
            h.subsystem = nqn;
            h.cntlid = cntlid;
            ++h.queues;
            const unsigned core = core_of_thread(q.at("thread"));
            h.cores.push_back(core);
            if (core < to.cores.size())
                ++to.cores[core].queues;
        }
        for (auto& [cntlid, h] : by_cntlid) {
            std::ranges::sort(h.cores);
            h.cores.erase(std::unique(h.cores.begin(), h.cores.end()), h.cores.end());
            to.hosts.push_back(std::move(h));
        }
    }
}

void add_disks(const sample& before, const sample& after, status& to) {
    for (const json& bdev : after.bdevs) {
        status::disk d{bdev.at("name"), describe(bdev), {}, -1, 0, 0, 0};
        for (const json& subsystem : after.subsystems)
            for (const json& ns : subsystem.value("namespaces", json::array()))
                if (ns.value("bdev_name", "") == d.name)
                    d.exported.push_back(fmt::format("{}:{}", subsystem.value("nqn", ""), ns.value("nsid", 0)));
        d.core = to.cores.size() == 1 ? 0 : core_of_disk(after.channels.at("threads"), d.name);
        if (d.core >= 0 && static_cast<std::size_t>(d.core) < to.cores.size())
            ++to.cores[static_cast<std::size_t>(d.core)].disks;
        const json& old = find(before.iostat.at("bdevs"), "name", d.name);
        const json& now = find(after.iostat.at("bdevs"), "name", d.name);
        if (to.seconds > 0 && !old.empty() && !now.empty()) {
            const auto rate = [&](const char* key) {
                return (static_cast<double>(number(now, key)) - static_cast<double>(number(old, key))) / to.seconds;
            };
            d.reads = rate("num_read_ops");
            d.writes = rate("num_write_ops");
            d.mib = (rate("bytes_read") + rate("bytes_written")) / (1024 * 1024);
        }
        to.disks.push_back(std::move(d));
    }
}

/// What a failed call was to make: the parameter that names it.
std::string subject(const json& params) {
    const json& ns = params.contains("namespace") ? params["namespace"] : params;
    for (const json* object : {&ns, &params})
        for (const char* key : {"bdev_name", "name", "rbd_name", "host", "nqn", "trtype", "base_name"})
            if (object->contains(key) && (*object)[key].is_string())
                return (*object)[key];
    return {};
}

void add_failed(const sample& after, status& to) {
    if (!after.failed_config.is_array())
        return;
    for (const json& f : after.failed_config)
        to.failed.push_back(
            {f.value("id", 0u), f.value("attempts", 0u), f.value("method", ""),
             subject(f.value("params", json::object())), f.value("message", ""),
             f.contains("next_attempt_ms") ? std::optional(number(f, "next_attempt_ms") / 1000.0) : std::nullopt});
}

void add_subsystems(const sample& s, status& to) {
    for (const json& one : s.subsystems) {
        const std::string nqn = one.value("nqn", "");
        const auto connected = std::ranges::count(to.hosts, nqn, &status::host::subsystem);
        to.subsystems.push_back({nqn, static_cast<unsigned>(one.value("namespaces", json::array()).size()),
                                 static_cast<unsigned>(one.value("hosts", json::array()).size()),
                                 one.value("allow_any_host", false), static_cast<unsigned>(connected)});
    }
    for (const auto& [nqn, listeners] : s.listeners)
        for (const json& l : listeners) {
            const json at = l.value("address", json::object());
            to.listeners.push_back(
                {nqn, fmt::format("{} {} {}", at.value("trtype", ""), at.value("traddr", ""), at.value("trsvcid", "")),
                 ana_text(l.value("ana_states", json::array()))});
        }
}

void add_transports(const sample& s, status& to) {
    if (!s.transports.is_array())
        return;
    for (const json& t : s.transports) {
        status::transport one{t.value("trtype", ""), 0, 0, t};
        const std::string prefix = one.trtype + " ";
        for (const auto& l : to.listeners)
            one.listeners += l.address.starts_with(prefix);
        for (const auto& h : to.hosts)
            one.queues += h.address.starts_with(prefix) ? h.queues : 0;
        to.transports.push_back(std::move(one));
    }
}

std::string subsystem_tables(const status& s) {
    using enum table::align;
    table subsystems({{"subsystem"}, {"namespaces", right}, {"allowed hosts", right}, {"connected", right}});
    for (const auto& one : s.subsystems)
        subsystems.add({one.nqn, std::to_string(one.namespaces),
                        one.any_host ? "any" : std::to_string(one.allowed_hosts), std::to_string(one.connected_hosts)});
    table listeners({{"listener"}, {"subsystem"}, {"ANA"}});
    for (const auto& l : s.listeners)
        listeners.add({l.address, l.subsystem, l.ana.empty() ? "-" : l.ana});
    table transports({{"transport"}, {"listeners", right}, {"queues", right}});
    for (const auto& t : s.transports)
        transports.add({t.trtype, std::to_string(t.listeners), std::to_string(t.queues)});
    return "\nSUBSYSTEMS\n" + (subsystems.empty() ? "there are none\n" : subsystems.text()) + "\nLISTENERS\n" +
           (listeners.empty() ? "there are none\n" : listeners.text()) + "\nTRANSPORTS\n" +
           (transports.empty() ? "there are none\n" : transports.text());
}

}  // namespace

status compare(const sample& before, const sample& after) {
    status s;
    if (const auto per_second = number(after.iostat, "tick_rate"))
        s.seconds = static_cast<double>(number(after.iostat, "ticks") - number(before.iostat, "ticks")) /
                    static_cast<double>(per_second);
    for (const json& r : after.reactors.at("reactors")) {
        const auto cpu = r.at("lcore").get<unsigned>();
        const json& old = find(before.reactors.at("reactors"), "lcore", cpu);
        s.cores.push_back({static_cast<unsigned>(s.cores.size()), cpu, share_busy(r, old), 0, 0});
    }
    add_hosts(after, s);
    add_disks(before, after, s);
    add_subsystems(after, s);
    add_transports(after, s);
    add_failed(after, s);
    return s;
}

std::string ana_text(const json& ana_states) {
    std::vector<std::pair<std::string, std::vector<unsigned>>> by_state;
    for (const json& one : ana_states) {
        const std::string state = one.value("ana_state", "");
        auto found = std::ranges::find(by_state, state, &decltype(by_state)::value_type::first);
        if (found == by_state.end())
            found = by_state.insert(by_state.end(), {state, {}});
        found->second.push_back(one.value("ana_group", 0u));
    }
    if (by_state.size() == 1)
        return by_state[0].first;
    std::string text;
    for (const auto& [state, groups] : by_state) {
        text += (text.empty() ? "" : ", ") + state + " ";
        for (std::size_t first = 0, last = 0; first < groups.size(); first = last + 1) {
            for (last = first; last + 1 < groups.size() && groups[last + 1] == groups[last] + 1;)
                ++last;
            text += fmt::format("{}{}", first ? "," : "", groups[first]);
            text += last > first ? fmt::format("-{}", groups[last]) : "";
        }
    }
    return text;
}

std::string to_text(const status& s) {
    using enum table::align;
    const std::string when = s.seconds > 0 ? fmt::format("over {:.1f} s", s.seconds) : "since the start";

    table cores({{"core", right}, {"CPU", right}, {"busy", right}, {"disks", right}, {"queues", right}});
    for (const auto& c : s.cores)
        cores.add({std::to_string(c.number), std::to_string(c.cpu), fmt::format("{:.1f}%", 100 * c.busy),
                   std::to_string(c.disks), std::to_string(c.queues)});

    table disks({{"disk"},
                 {"what"},
                 {"core", right},
                 {"reads/s", right},
                 {"writes/s", right},
                 {"MiB/s", right},
                 {"exported as"}});
    for (const auto& d : s.disks)
        disks.add({d.name, d.what, d.core < 0 ? "all" : std::to_string(d.core),
                   s.seconds > 0 ? fmt::format("{:.0f}", d.reads) : "-",
                   s.seconds > 0 ? fmt::format("{:.0f}", d.writes) : "-",
                   s.seconds > 0 ? fmt::format("{:.1f}", d.mib) : "-", fmt::format("{}", fmt::join(d.exported, " "))});

    table hosts({{"host"}, {"address"}, {"subsystem"}, {"queues", right}, {"cores"}});
    for (const auto& h : s.hosts)
        hosts.add(
            {h.nqn, h.address, h.subsystem, std::to_string(h.queues), fmt::format("{}", fmt::join(h.cores, ","))});

    table failed({{"id", right}, {"attempts", right}, {"next"}, {"method"}, {"of"}, {"why"}});
    for (const auto& f : s.failed)
        failed.add({std::to_string(f.id), std::to_string(f.attempts),
                    f.next_attempt ? fmt::format("in {:.0f} s", *f.next_attempt) : "waits", f.method, f.about,
                    f.message});

    std::string text = fmt::format("CORES, {}\n{}", when, cores.text());
    text += "\nDISKS\n" + (disks.empty() ? "there are none\n" : disks.text());
    text += "\nHOSTS\n" + (hosts.empty() ? "none is connected\n" : hosts.text());
    text += subsystem_tables(s);
    if (!s.failed.empty())
        text += "\nFAILED CONFIGURATION, tried again\n" + failed.text();
    return text;
}

json to_json(const status& s) {
    json cores = json::array(), disks = json::array(), hosts = json::array(), failed = json::array();
    for (const auto& c : s.cores)
        cores.push_back(
            {{"core", c.number}, {"cpu", c.cpu}, {"busy", c.busy}, {"disks", c.disks}, {"queues", c.queues}});
    for (const auto& d : s.disks) {
        json disk = {{"name", d.name}, {"what", d.what}, {"exported_as", d.exported}};
        disk["core"] = d.core < 0 ? json() : json(d.core);
        if (s.seconds > 0) {
            disk["reads_per_second"] = d.reads;
            disk["writes_per_second"] = d.writes;
            disk["mib_per_second"] = d.mib;
        }
        disks.push_back(std::move(disk));
    }
    for (const auto& h : s.hosts)
        hosts.push_back({{"hostnqn", h.nqn},
                         {"address", h.address},
                         {"subsystem", h.subsystem},
                         {"cntlid", h.cntlid},
                         {"queues", h.queues},
                         {"cores", h.cores}});
    for (const auto& f : s.failed)
        failed.push_back({{"id", f.id},
                          {"attempts", f.attempts},
                          {"method", f.method},
                          {"of", f.about},
                          {"message", f.message},
                          {"next_attempt_seconds", f.next_attempt ? json(*f.next_attempt) : json()}});
    json subsystems = json::array(), listeners = json::array(), transports = json::array();
    for (const auto& one : s.subsystems)
        subsystems.push_back({{"nqn", one.nqn},
                              {"namespaces", one.namespaces},
                              {"allow_any_host", one.any_host},
                              {"allowed_hosts", one.allowed_hosts},
                              {"connected_hosts", one.connected_hosts}});
    for (const auto& l : s.listeners)
        listeners.push_back({{"subsystem", l.subsystem}, {"address", l.address}, {"ana", l.ana}});
    for (const auto& t : s.transports)
        transports.push_back(
            {{"trtype", t.trtype}, {"listeners", t.listeners}, {"queues", t.queues}, {"options", t.options}});
    return {{"seconds", s.seconds},     {"cores", cores},           {"disks", disks},
            {"hosts", hosts},           {"subsystems", subsystems}, {"listeners", listeners},
            {"transports", transports}, {"failed_config", failed}};
}

}  // namespace causeway::tools
