// SPDX-License-Identifier: Apache-2.0
#include "rpc/saved_config.h"

#include <algorithm>
#include <cassert>

namespace causeway::rpc {

void saved_config::add_subsystem(std::string_view name, std::vector<std::string_view> depends_on) {
    sections_.push_back({name, std::move(depends_on), {}});
}

void saved_config::add_writer(std::string_view subsystem, config_phase phase, writer w) {
    const auto s = std::ranges::find(sections_, subsystem, &section::name);
    assert(s != sections_.end());
    const auto after = std::ranges::upper_bound(s->writers, phase, {}, &std::pair<config_phase, writer>::first);
    s->writers.insert(after, {phase, std::move(w)});
}

std::optional<json> saved_config::of(std::string_view subsystem) const {
    const auto s = std::ranges::find(sections_, subsystem, &section::name);
    if (s == sections_.end())
        return std::nullopt;
    if (s->writers.empty())
        return json(nullptr);
    json calls = json::array();
    for (const auto& [phase, write] : s->writers)
        write(calls);
    return calls;
}

json saved_config::all() const {
    json sections = json::array();
    for (const auto& s : sections_)
        sections.push_back({{"subsystem", s.name}, {"config", *of(s.name)}});
    return {{"subsystems", std::move(sections)}};
}

json saved_config::call(std::string_view method, json params) {
    return {{"method", method}, {"params", std::move(params)}};
}

}  // namespace causeway::rpc
