// SPDX-License-Identifier: Apache-2.0
#include "metrics/families.h"

namespace causeway::metrics {

namespace {

/// "…_latency_ticks_total" → "…_latency_seconds_total".
std::string name_in_seconds(std::string_view name) {
    constexpr std::string_view ticks = "_ticks";
    std::string in_seconds(name);
    if (const auto at = in_seconds.rfind(ticks); at != std::string::npos)
        in_seconds.replace(at, ticks.size(), "_seconds");
    return in_seconds;
}

}  // namespace

void families::add(std::string_view name, type t, std::string_view help, const core::labels& labels, double value) {
    const auto [at, is_new] = by_name_.try_emplace(std::string(name), all_.size());
    if (is_new)
        all_.push_back({std::string(name), std::string(help), t, {}});
    prometheus::ClientMetric& sample = all_[at->second].metric.emplace_back();
    for (const auto& [label, text] : labels)
        sample.label.push_back({label, text});
    if (all_[at->second].type == type::Counter)
        sample.counter.value = value;
    else
        sample.gauge.value = value;
}

void families::add_cores(const core::counter_group& g, std::size_t first, std::size_t count, const core::labels& more,
                         std::uint64_t ticks_per_second) {
    for (const core::metric& m : g.rows()) {
        core::labels labels = g.labels();
        labels.insert(labels.end(), more.begin(), more.end());
        if (!m.label.name.empty())
            labels.emplace_back(m.label.name, m.label.value);
        const bool in_ticks = m.unit == core::metric_unit::ticks;
        const double per_unit = in_ticks ? static_cast<double>(ticks_per_second) : 1;
        add(in_ticks ? name_in_seconds(m.name) : std::string(m.name),
            m.kind == core::metric_kind::counter ? type::Counter : type::Gauge, m.help, labels,
            static_cast<double>(g.value(m, first, count)) / per_unit);
    }
}

void families::add_group(const core::counter_group& g, std::uint64_t ticks_per_second) {
    add_cores(g, 0, g.cores(), {}, ticks_per_second);
}

void families::add_group_by_core(const core::counter_group& g, std::uint64_t ticks_per_second) {
    for (std::size_t core = 0; core < g.cores(); ++core)
        if (g.has(core))
            add_cores(g, core, 1, {{"core", std::to_string(core)}}, ticks_per_second);
}

}  // namespace causeway::metrics
