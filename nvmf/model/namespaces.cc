// SPDX-License-Identifier: Apache-2.0
// Namespaces come and go while hosts use the others.

#include "nvmf/model/namespaces.h"

#include "core/log.h"
#include "nvmf/model/subsystem.h"
#include "nvmf/model/target_state.h"

#include <algorithm>

namespace causeway::nvmf {

using namespace std::chrono_literals;

namespaces::namespaces(subsystem& owner) : subsystem_(owner), tables_(owner.target().group.size()) {}

// ---- Identity.

std::uint32_t namespaces::free_nsid() const noexcept {
    std::uint32_t nsid = 1;
    for (const auto& [taken, ns] : all_) {
        if (taken != nsid)
            break;
        ++nsid;
    }
    return nsid;
}

core::result<nvm_namespace::identity> namespaces::identify(const namespace_params& p, const bdev::device& d) const {
    const std::uint32_t max = subsystem_.options().max_namespaces;
    nvm_namespace::identity id;
    id.nsid = p.nsid ? p.nsid : free_nsid();
    if (id.nsid > max) {
        if (p.nsid)
            return core::fail(EINVAL, fmt::format("an nsid is at most {} here", max), subsystem_.nqn());
        return core::fail(ENOSPC, fmt::format("there are {} namespaces, the maximum", all_.size()), subsystem_.nqn());
    }
    if (all_.contains(id.nsid))
        return core::fail(EEXIST, fmt::format("nsid {} is taken", id.nsid), subsystem_.nqn());
    id.uuid = p.uuid.value_or(d.id());
    // The same on every gateway that has the same device, so that hosts see paths to one disk.
    id.nguid = p.nguid.value_or(id.uuid);
    id.eui64 = p.eui64;
    if (auto good = check_identifiers(id, d); !good)
        return tl::make_unexpected(std::move(good.error()));
    return id;
}

/// Of zeroes, an identifier says that there is none; and hosts refuse a disk that has another one's, in whichever
/// subsystem that is.
core::result<> namespaces::check_identifiers(const nvm_namespace::identity& id, const bdev::device& d) const {
    if (id.uuid == bdev::uuid() || id.nguid == nvmf::nguid() || id.eui64 == nvmf::eui64())
        return core::fail(EINVAL, "an identifier must not be all zeroes: give another one, or leave it out", d.name());
    for (const auto& s : subsystem_.target().subsystems)
        for (const auto& [nsid, other] : s->namespaces().all())
            if (&other->device() != &d &&  // the driver that has it reports it itself
                (other->nguid() == id.nguid || other->uuid() == id.uuid || (id.eui64 && other->eui64() == id.eui64)))
                return core::fail(EEXIST,
                                  fmt::format("namespace {} of {} has the same identifier: give another one, or leave "
                                              "it out",
                                              nsid, s->nqn()),
                                  d.name());
    return {};
}

/// Each would overwrite what the other has stored.
core::result<> namespaces::check_ptpl_file(const std::string& file) const {
    for (const auto& s : subsystem_.target().subsystems)
        for (const auto& [nsid, other] : s->namespaces().all())
            if (!file.empty() && other->ptpl_file() == file)
                return core::fail(
                    EEXIST, fmt::format("namespace {} of {} has the same ptpl_file: name another file", nsid, s->nqn()),
                    file);
    return {};
}

// ---- Coming.

core::task<core::result<std::uint32_t>> namespaces::add(namespace_params p) {
    const auto keep = subsystem_.shared_from_this();
    if (subsystem_.is_discovery() || subsystem_.closing())
        co_return core::fail(EINVAL,
                             "cannot add a namespace: the subsystem is a discovery subsystem, or is being deleted",
                             subsystem_.nqn());
    target_state& shared = subsystem_.target();
    const std::shared_ptr<bdev::device> device = shared.devices.find(p.bdev_name);
    if (!device)
        co_return core::fail(ENODEV, "no such device", p.bdev_name);
    if (auto fits = shared.transports.check_block_size(*device); !fits)
        co_return tl::make_unexpected(std::move(fits.error()));
    auto id = identify(p, *device);
    if (!id)
        co_return tl::make_unexpected(std::move(id.error()));
    const std::uint32_t group = p.ana_group ? p.ana_group : id->nsid;
    if (auto good = subsystem_.ana().check_group_of_namespace(p.ana_group); !good)
        co_return tl::make_unexpected(std::move(good.error()));
    const nvm_namespace::limits limits{.wzsl = subsystem_.options().wzsl, .dmrsl = subsystem_.options().dmrsl};
    if (auto free = check_ptpl_file(p.ptpl_file); !free)
        co_return tl::make_unexpected(std::move(free.error()));
    auto reservations = shared.reservation_stores(shared.group, *device, p.ptpl_file);
    const auto ns = std::make_shared<nvm_namespace>(*this, *id, limits,
                                                    p.auto_visible ? visible_hosts::all() : visible_hosts::only({}),
                                                    device, std::move(reservations), p.ptpl_file);
    if (auto claimed = ns->claim_device(); !claimed)
        co_return tl::make_unexpected(std::move(claimed.error()));
    all_.emplace(id->nsid, ns);
    subsystem_.ana().join(*ns, group);

    const auto loaded = co_await ns->reservation().load();
    if (!loaded && !ns->is_removed()) {
        all_.erase(id->nsid);
        ns->remove();
        co_await ns->drain();  // of what no core knows; who asks for the end of its commands is told
        co_await ns->reservation().close();
        ns->release_device();
        co_return tl::make_unexpected(loaded.error());
    }
    if (ns->is_removed())
        co_return core::fail(ENODEV, "the device was removed meanwhile", p.bdev_name);
    co_await core::for_each_reactor(shared.group,
                                    [&](core::reactor& r) { tables_.on(r.index()).insert(ns->on_core(r.index())); });
    if (ns->is_removed())  // its device, or its subsystem, went away meanwhile
        co_return core::fail(ENODEV, "the device was removed meanwhile", p.bdev_name);
    ns->activate();
    subsystem_.ana().namespaces_changed(ns->ana_group());
    core::log::info("{}: namespace {} is {}", subsystem_.nqn(), id->nsid, device->name());
    announce_change(*ns);
    announce_health();
    co_return id->nsid;
}

// ---- Going.

std::shared_ptr<nvm_namespace> namespaces::begin_removal(std::uint32_t nsid) {
    const auto it = all_.find(nsid);
    if (it == all_.end())
        return nullptr;
    std::shared_ptr<nvm_namespace> ns = it->second;
    all_.erase(it);
    ns->remove();
    subsystem_.ana().namespaces_changed(ns->ana_group());
    core::log::info("{}: removing namespace {} ({})", subsystem_.nqn(), nsid, ns->device().name());
    core::detach(tear_down(ns));
    return ns;
}

/// Out of every core's table, so that no I/O begins any more; then what is in flight ends; then other gateways need not
/// wait for this one when they change the reservation; then the device is free.
core::task<> namespaces::tear_down(std::shared_ptr<nvm_namespace> ns) {
    const auto keep = subsystem_.shared_from_this();
    co_await core::for_each_reactor(subsystem_.target().group,
                                    [&](core::reactor& r) { tables_.on(r.index()).remove(ns->on_core(r.index())); });
    announce_change(*ns);
    announce_health();
    co_await ns->drain();
    co_await ns->reservation().close();
    ns->release_device();
}

core::task<> namespaces::wait_for_removals(std::vector<std::shared_ptr<nvm_namespace>> going) const {
    const core::clock& time = subsystem_.target().group.time();
    const core::ticks end = time.now() + time.to_ticks(1s);  // for all of them
    for (const auto& ns : going) {
        const core::ticks now = time.now();
        const bool released = co_await ns->released().wait_for(time.to_nanoseconds(end - std::min(now, end)));
        if (!released)
            core::log::warning("{}: namespace {} was removed, but {} still has I/O of it in flight", subsystem_.nqn(),
                               ns->nsid(), ns->device().name());
    }
}

core::task<core::result<>> namespaces::remove(std::uint32_t nsid) {
    const auto keep = subsystem_.shared_from_this();
    std::vector going{begin_removal(nsid)};
    if (!going[0])
        co_return core::fail(ENODEV, fmt::format("no namespace {}", nsid), subsystem_.nqn());
    co_await wait_for_removals(std::move(going));
    co_return core::result<>();
}

core::task<> namespaces::remove_all() {
    const auto keep = subsystem_.shared_from_this();
    std::vector<std::shared_ptr<nvm_namespace>> going;
    while (!all_.empty())
        going.push_back(begin_removal(all_.begin()->first));
    co_await wait_for_removals(std::move(going));
}

core::task<> namespaces::drain_executing(std::shared_ptr<nvm_namespace> ns) {
    const auto keep = subsystem_.shared_from_this();
    co_await ns->drain_executing(tables_);
}

// ---- What hosts are told.

void namespaces::announce_change(const nvm_namespace& ns) {
    subsystem_.controllers().announce_namespace_change(ns);
}

void namespaces::announce_health() {
    subsystem_.controllers().announce_warnings(*this);
}

void namespaces::announce_reservation(const nvm_namespace& ns, const std::vector<reservation::notification>& what) {
    subsystem_.controllers().announce_reservation(ns, what);
}

bool namespaces::any_has_reservations(const controller& c) const noexcept {
    return std::any_of(all_.begin(), all_.end(), [&](const auto& entry) {
        return visible(c, *entry.second) && entry.second->reservation().is_supported();
    });
}

bool namespaces::have_volatile_write_cache(const controller& c) const noexcept {
    return std::any_of(all_.begin(), all_.end(), [&](const auto& entry) {
        return visible(c, *entry.second) && entry.second->device().capabilities().volatile_write_cache;
    });
}

bool namespaces::all_serve(bdev::op o, const controller& c) const noexcept {
    bool any = false;
    for (const auto& [nsid, ns] : all_) {
        if (!visible(c, *ns))
            continue;
        if (!ns->device().capabilities().supports(o))
            return false;
        any = true;
    }
    return any;
}

}  // namespace causeway::nvmf
