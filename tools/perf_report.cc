// SPDX-License-Identifier: Apache-2.0
#include "tools/perf.h"
#include "tools/table.h"

#include <fmt/format.h>

namespace causeway::tools {

namespace {

double per_second(std::uint64_t n, double seconds) {
    return seconds > 0 ? static_cast<double>(n) / seconds : 0;
}

std::string microseconds(double ns) {
    return fmt::format("{:.1f}", ns / 1000);
}

nlohmann::ordered_json json_of(const perf_result::side& s, double seconds) {
    nlohmann::ordered_json latency{{"min", s.min / 1000}, {"avg", s.mean / 1000}};
    for (const auto& [name, ns] : s.percentiles)
        latency[name] = ns / 1000;
    latency["max"] = s.max / 1000;
    return {{"commands", s.commands},
            {"bytes", s.bytes},
            {"iops", per_second(s.commands, seconds)},
            {"mib_per_second", per_second(s.bytes, seconds) / (1 << 20)},
            {"latency_us", latency}};
}

}  // namespace

std::string to_text(const perf_result& r) {
    using enum table::align;
    std::vector<table::column> columns{
        {"", left}, {"IOPS", right}, {"MiB/s", right}, {"min us", right}, {"avg", right}};
    for (const auto& [name, ns] : r.read.percentiles)
        columns.push_back({name, right});
    columns.push_back({"max", right});
    table t(columns);
    for (const auto& [name, s] : {std::pair{"read", &r.read}, {"write", &r.write}}) {
        if (!s->commands)
            continue;
        std::vector<std::string> cells{name, fmt::format("{:.0f}", per_second(s->commands, r.seconds)),
                                       fmt::format("{:.1f}", per_second(s->bytes, r.seconds) / (1 << 20)),
                                       microseconds(s->min), microseconds(s->mean)};
        for (const auto& [percentile, ns] : s->percentiles)
            cells.push_back(microseconds(ns));
        cells.push_back(microseconds(s->max));
        t.add(std::move(cells));
    }
    std::string text = t.empty() ? "" : t.text();
    text += fmt::format("{} commands in {:.2f} s, {} at a time, cores busy {:.0f}%", r.read.commands + r.write.commands,
                        r.seconds, r.outstanding, 100 * r.busy);
    if (r.verified_blocks)
        text += fmt::format("; {} blocks that were read are right", r.verified_blocks);
    if (r.reconnects || r.redriven)
        text += fmt::format("; connected again {} times, {} commands sent again", r.reconnects, r.redriven);
    if (r.failed)
        text += fmt::format("; {} commands failed", r.failed);
    return text + "\n";
}

nlohmann::ordered_json to_json(const perf_result& r, const perf_options& o) {
    nlohmann::ordered_json to = nlohmann::ordered_json::array();
    for (const auto& a : o.to.addresses)
        to.push_back(a.text());
    return {{"to", to},
            {"subsystem", o.to.subnqn},
            {"cpus", o.cpus},
            {"depth", o.depth},
            {"outstanding", r.outstanding},
            {"size", o.size},
            {"read_percent", o.read_percent},
            {"pattern", o.sequential ? "sequential" : "random"},
            {"header_digest", o.to.tcp.header_digest},
            {"data_digest", o.to.tcp.data_digest},
            {"verify", o.verify},
            {"seed", o.seed},
            {"seconds", r.seconds},
            {"busy", r.busy},
            {"read", json_of(r.read, r.seconds)},
            {"write", json_of(r.write, r.seconds)},
            {"failed", r.failed},
            {"verified_blocks", r.verified_blocks},
            {"reconnects", r.reconnects},
            {"redriven", r.redriven},
            {"trouble", r.trouble}};
}

}  // namespace causeway::tools
