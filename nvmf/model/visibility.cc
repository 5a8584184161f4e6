// SPDX-License-Identifier: Apache-2.0
// Namespaces are shown to hosts and hidden from them while hosts use them. No host waits for that: a command that
// executes ends as it was admitted.

#include "nvmf/model/visibility.h"

#include "core/log.h"
#include "nvme/nqn.h"
#include "nvmf/model/controller.h"
#include "nvmf/model/namespaces.h"
#include "nvmf/model/subsystem.h"
#include "nvmf/model/target_state.h"

namespace causeway::nvmf {

namespace {

core::result<> removed_meanwhile(const nvm_namespace& ns) {
    return core::fail(ENODEV, "the namespace was removed meanwhile", ns.device().name());
}

}  // namespace

bool visible(const controller& c, const nvm_namespace& ns) noexcept {
    return ns.active() && ns.visibility().shows_to(c.host_number());
}

const nvm_namespace* find_visible(const controller& c, std::uint32_t nsid) noexcept {
    const auto& all = c.subsystem().namespaces().all();
    const auto it = all.find(nsid);
    return it != all.end() && visible(c, *it->second) ? it->second.get() : nullptr;
}

core::result<std::shared_ptr<nvm_namespace>> namespaces::find(std::uint32_t nsid) const {
    const auto it = all_.find(nsid);
    if (it == all_.end())
        return core::fail(ENODEV, fmt::format("no namespace {}", nsid), subsystem_.nqn());
    return it->second;
}

/// REQUIRES: the caller holds ns->visibility().changes().
core::task<> namespaces::show_to(std::shared_ptr<nvm_namespace> ns, visible_hosts hosts) {
    visibility& of = ns->visibility();
    const auto after = std::make_shared<const visible_hosts>(std::move(hosts));
    const auto before = of.shared_hosts();
    const bool was_active = ns->active();
    const std::uint64_t admission = next_admission();
    of.begin(after);
    co_await core::for_each_reactor(subsystem_.target().group,
                                    [&](core::reactor& r) { ns->on_core(r.index()).show_to(after, admission); });
    if (!ns->is_removed()) {  // else it appears to nobody any more
        of.complete();
        subsystem_.ana().namespaces_changed(ns->ana_group());
    }
    for (const auto& [cntlid, c] : subsystem_.controllers().all()) {
        const bool was_listed = before->contains(c->host_number()), is_listed = after->contains(c->host_number());
        if (was_listed != is_listed && (was_listed ? was_active : ns->active()))
            c->namespace_changed(ns->nsid());
    }
    announce_health();
}

core::task<core::result<>> namespaces::set_auto_visible(std::uint32_t nsid, bool auto_visible) {
    const auto keep = subsystem_.shared_from_this();
    const auto ns = find(nsid);
    if (!ns)
        co_return tl::make_unexpected(ns.error());
    const auto lock = co_await (*ns)->visibility().changes().lock();
    if ((*ns)->is_removed())
        co_return removed_meanwhile(**ns);
    if ((*ns)->visibility().hosts().are_all() == auto_visible)
        co_return core::result<>();
    core::log::info("{}: namespace {} is visible to {}", subsystem_.nqn(), nsid,
                    auto_visible ? "all hosts" : "no host until hosts are added to it");
    visible_hosts hosts = auto_visible ? visible_hosts::all() : visible_hosts::only({});
    co_await show_to(*ns, std::move(hosts));
    co_return core::result<>();
}

core::task<core::result<>> namespaces::change_visible_hosts(std::uint32_t nsid, std::string host_nqn, bool visible) {
    const auto keep = subsystem_.shared_from_this();
    if (!nvme::usable_host_nqn(host_nqn))
        co_return core::fail(EINVAL, "a host NQN is 1 to 223 bytes of printable UTF-8", host_nqn);
    const auto ns = find(nsid);
    if (!ns)
        co_return tl::make_unexpected(ns.error());
    const auto lock = co_await (*ns)->visibility().changes().lock();
    if ((*ns)->is_removed())
        co_return removed_meanwhile(**ns);
    const visible_hosts& now = (*ns)->visibility().hosts();
    if (now.are_all())
        co_return core::fail(EPERM,
                             fmt::format("namespace {} is visible to all hosts: make it invisible first, with "
                                         "nvmf_subsystem_set_ns_visibility, or add it with no_auto_visible",
                                         nsid),
                             subsystem_.nqn());
    if (now.list().contains(host_nqn) == visible)
        co_return core::result<>();
    core::log::info("{}: namespace {} is {} {}", subsystem_.nqn(), nsid, visible ? "visible to" : "hidden from",
                    host_nqn);
    visible_hosts::host_list list = now.list();
    if (visible)
        list.emplace(host_nqn, subsystem_.target().host_numbers.of(host_nqn));
    else
        list.erase(host_nqn);
    visible_hosts hosts = visible_hosts::only(std::move(list));
    co_await show_to(*ns, std::move(hosts));
    co_return core::result<>();
}

core::task<core::result<>> namespaces::add_host(std::uint32_t nsid, std::string host_nqn) {
    return change_visible_hosts(nsid, std::move(host_nqn), true);
}

core::task<core::result<>> namespaces::remove_host(std::uint32_t nsid, std::string host_nqn) {
    return change_visible_hosts(nsid, std::move(host_nqn), false);
}

}  // namespace causeway::nvmf
