// SPDX-License-Identifier: Apache-2.0
#include "core/placement.h"

#include <cassert>
#include <utility>

namespace causeway::core {

namespace {

constexpr std::pair<placement_policy, std::string_view> names[] = {
    {placement_policy::round_robin, "round_robin"},
    {placement_policy::least_loaded, "least_loaded"},
    {placement_policy::first, "first"},
};

double busy_share(const reactor& r) noexcept {
    const double busy = static_cast<double>(r.stats().busy_ticks.get());
    const double all = busy + static_cast<double>(r.stats().idle_ticks.get());
    return all > 0 ? busy / all : 0;
}

}  // namespace

std::optional<placement_policy> placement_policy_from(std::string_view name) noexcept {
    for (const auto& [policy, text] : names)
        if (text == name)
            return policy;
    return std::nullopt;
}

std::string_view to_string(placement_policy p) noexcept {
    for (const auto& [policy, text] : names)
        if (policy == p)
            return text;
    return {};
}

placement::placement(const reactor_group& group, placement_policy policy)
    : group_(group), policy_(policy), counts_(group.size()) {}

std::size_t placement::choose() noexcept {
    switch (policy_) {
    case placement_policy::first: return 0;
    case placement_policy::round_robin: return next_++ % counts_.size();
    case placement_policy::least_loaded: break;
    }
    std::size_t best = 0;
    for (std::size_t i = 1; i < counts_.size(); ++i) {
        if (counts_[i] < counts_[best] ||
            (counts_[i] == counts_[best] && busy_share(group_[i]) < busy_share(group_[best])))
            best = i;
    }
    return best;
}

reactor& placement::pick() noexcept {
    const std::size_t core = choose();
    ++counts_[core];
    return group_[core];
}

void placement::release(const reactor& r) noexcept {
    assert(counts_[r.index()] > 0);
    --counts_[r.index()];
}

}  // namespace causeway::core
