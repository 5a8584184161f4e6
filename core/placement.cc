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

void core_lease::release() noexcept {
    if (placement* const from = std::exchange(from_, nullptr))
        from->end(kind_, *home_);
}

placement::placement(reactor_group& group, placement_policy policy)
    : group_(group), policy_(policy), counts_(group.size()) {}

core_lease placement::lease(lease_kind kind, const predicate& has_room) {
    const auto core = choose(kind, has_room);
    if (!core)
        return {};
    ++counts_[*core][index(kind)];
    return core_lease(*this, kind, group_[*core]);
}

unsigned placement::count(lease_kind kind) const noexcept {
    unsigned all = 0;
    for (const auto& of_core : counts_)
        all += of_core[index(kind)];
    return all;
}

void placement::end(lease_kind kind, const reactor& home) noexcept {
    unsigned& count = counts_[home.index()][index(kind)];
    assert(count > 0);
    --count;
}

std::optional<std::size_t> placement::choose(lease_kind kind, const predicate& has_room) {
    const auto no_difference = [](std::size_t) { return 0; };
    const auto queues_on = [this](std::size_t core) {
        return count_on(core, lease_kind::admin_queue) + count_on(core, lease_kind::io_queue);
    };
    const auto disks_on = [this](std::size_t core) {
        return std::pair(count_on(core, lease_kind::disk), busy_share(group_[core]));
    };
    switch (kind) {
    case lease_kind::admin_queue: return next_in_turn(kind, has_room);
    case lease_kind::io_queue: return lightest(has_room, queues_on);
    case lease_kind::disk: break;
    }
    switch (policy_) {
    case placement_policy::round_robin: return next_in_turn(kind, has_room);
    case placement_policy::least_loaded: return lightest(has_room, disks_on);
    case placement_policy::first: break;
    }
    return lightest(has_room, no_difference);
}

std::optional<std::size_t> placement::next_in_turn(lease_kind kind, const predicate& has_room) {
    std::size_t& next = next_[index(kind)];
    for (std::size_t i = 0; i < counts_.size(); ++i) {
        const std::size_t core = (next + i) % counts_.size();
        if (has_room && !has_room(group_[core]))
            continue;
        next = (core + 1) % counts_.size();
        return core;
    }
    return std::nullopt;
}

/// The first of the lightest.
template <class Weight>
std::optional<std::size_t> placement::lightest(const predicate& has_room, Weight weight_of) const {
    std::optional<std::size_t> best;
    for (std::size_t core = 0; core < counts_.size(); ++core)
        if ((!best || weight_of(core) < weight_of(*best)) && (!has_room || has_room(group_[core])))
            best = core;
    return best;
}

}  // namespace causeway::core
