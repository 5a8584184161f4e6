// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/ana_groups.h"

#include "core/log.h"
#include "nvmf/model/controller.h"
#include "nvmf/model/subsystem.h"
#include "nvmf/model/target_state.h"

#include <algorithm>

namespace causeway::nvmf {

bool ana_groups::reported() const noexcept {
    return subsystem_.options().ana_reporting;
}

std::uint32_t ana_groups::count() const noexcept {
    return subsystem_.options().max_namespaces;
}

std::shared_ptr<ana_states> ana_groups::make_states(nvme::ana_state initial) {
    return reported() ? std::make_shared<ana_states>(*this, count(), initial) : nullptr;
}

// ---- What operators change.

core::task<core::result<>> ana_groups::set_state(transport_address at, nvme::ana_state to, std::uint32_t group) {
    const auto keep = subsystem_.shared_from_this();
    if (!reported())
        co_return core::fail(EINVAL, "the subsystem was made without ana_reporting", subsystem_.nqn());
    if (group > count())
        co_return core::fail(EINVAL, fmt::format("an ANA group is 1 to {} here", count()), subsystem_.nqn());
    const auto lock = co_await changes_.lock();
    const auto found = subsystem_.listeners().find_listener(std::move(at));
    if (!found)
        co_return tl::make_unexpected(found.error());
    const std::shared_ptr<ana_states> states = (**found)->ana;  // not the listener, which holds its port
    const std::string address = (**found)->at.text();

    std::vector<std::uint32_t> changed;
    for (std::uint32_t g = group ? group : 1; g <= (group ? group : count()); ++g) {
        if (states->state(g) == to)
            continue;
        if (states->state(g) == nvme::ana_state::persistent_loss)
            co_return core::fail(EINVAL,
                                 fmt::format("group {} is in persistent loss, which is final: remove the listener and "
                                             "add it again",
                                             g),
                                 address);
        changed.push_back(g);
    }
    if (changed.empty())
        co_return core::result<>();
    states->begin_change();
    for (const std::uint32_t g : changed)
        states->set(g, to);
    core::log::info("{}: {} of {} is {} now", subsystem_.nqn(),
                    group ? fmt::format("ANA group {}", group) : "every ANA group", address, to_string(to));
    const namespace_list affected = of_groups(changed);
    co_await update_cores(affected);
    if (to != nvme::ana_state::change)  // the state that follows it is worth an event
        announce(affected, states.get());
    co_return core::result<>();
}

core::task<core::result<>> ana_groups::move_namespace(std::uint32_t nsid, std::uint32_t group) {
    const auto keep = subsystem_.shared_from_this();
    if (!reported())
        co_return core::fail(EINVAL, "the subsystem was made without ana_reporting", subsystem_.nqn());
    if (group < 1 || group > count())
        co_return core::fail(EINVAL, fmt::format("an ANA group is 1 to {} here", count()), subsystem_.nqn());
    const auto lock = co_await changes_.lock();
    const auto& all = subsystem_.namespaces().all();
    const auto it = all.find(nsid);
    if (it == all.end())
        co_return core::fail(ENODEV, fmt::format("no namespace {}", nsid), subsystem_.nqn());
    const std::shared_ptr<nvm_namespace> ns = it->second;
    const std::uint32_t from = ns->ana_group();
    if (from == group)
        co_return core::result<>();
    for (ana_states* s : all_) {
        s->begin_change();
        s->move(from, group);
    }
    ns->set_ana_group(group);
    core::log::info("{}: namespace {} moves from ANA group {} to {}", subsystem_.nqn(), nsid, from, group);
    const namespace_list affected = of_groups({group});  // all of the group may have become stricter
    co_await update_cores(affected);
    announce({ns}, nullptr);
    co_return core::result<>();
}

core::result<> ana_groups::check_group_of_namespace(std::uint32_t group) const {
    if (group != 0 && !reported())
        return core::fail(EINVAL, "the subsystem was made without ana_reporting: its namespaces have no ANA group",
                          subsystem_.nqn());
    if (group > count())
        return core::fail(EINVAL, fmt::format("an ANA group is 1 to {} here", count()), subsystem_.nqn());
    return {};
}

void ana_groups::join(nvm_namespace& ns, std::uint32_t group) const noexcept {
    ns.set_ana_group(group);
    const ana_access now = ns.change_ana_access(may_refuse(group));
    for (std::size_t i = 0; i < subsystem_.target().group.size(); ++i)
        ns.on_core(i).set(now);
}

void ana_groups::namespaces_changed(std::uint32_t group) noexcept {
    for (ana_states* s : all_) {
        s->begin_change();
        s->touch(group);
    }
}

/// To the controllers with these states, or to all, if their hosts see one of the namespaces.
void ana_groups::announce(const namespace_list& of, const ana_states* only) const {
    for (const auto& [cntlid, c] : subsystem_.controllers().all())
        if (c->ana() && (!only || &c->ana()->states() == only) &&
            std::any_of(of.begin(), of.end(), [&](const auto& ns) { return visible(*c, *ns); }))
            c->events().raise(async_events::ana_change);
}

// ---- What cores know.

bool ana_groups::may_refuse(std::uint32_t group) const noexcept {
    return std::any_of(all_.begin(), all_.end(), [group](const ana_states* s) { return s->may_refuse(group); });
}

ana_groups::namespace_list ana_groups::of_groups(const std::vector<std::uint32_t>& groups) const {
    namespace_list found;
    for (const auto& [nsid, ns] : subsystem_.namespaces().all())
        if (std::binary_search(groups.begin(), groups.end(), ns->ana_group()))
            found.push_back(ns);
    return found;
}

ana_groups::namespace_list ana_groups::unsettled() const {
    namespace_list found;
    for (const auto& [nsid, ns] : subsystem_.namespaces().all())
        if (ns->ana_may_refuse() != may_refuse(ns->ana_group()))
            found.push_back(ns);
    return found;
}

/// REQUIRES: changes_ is locked.
core::task<> ana_groups::update_cores(namespace_list changed) {
    if (changed.empty())
        co_return;
    std::vector<ana_access> now;
    for (const auto& ns : changed)
        now.push_back(ns->change_ana_access(may_refuse(ns->ana_group())));
    co_await core::for_each_reactor(subsystem_.target().group, [&](core::reactor& r) {
        for (std::size_t i = 0; i < changed.size(); ++i)
            changed[i]->on_core(r.index()).set(now[i]);
    });
}

core::task<> ana_groups::settle() {
    const auto keep = subsystem_.shared_from_this();
    const auto lock = co_await changes_.lock();
    auto changed = unsettled();
    co_await update_cores(std::move(changed));
}

core::task<> ana_groups::settle_reviewed() {
    const auto keep = subsystem_.shared_from_this();
    const auto lock = co_await changes_.lock();
    review_waits_ = false;
    auto changed = unsettled();
    co_await update_cores(std::move(changed));
}

void ana_groups::review() {
    const bool ending = subsystem_.weak_from_this().expired();
    if (ending || review_waits_ || unsettled().empty())
        return;
    review_waits_ = true;
    core::detach(settle_reviewed());
}

void ana_groups::delist(ana_states& s) {
    std::erase(all_, &s);
    review();
}

}  // namespace causeway::nvmf
