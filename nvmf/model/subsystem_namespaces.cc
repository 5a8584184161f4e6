// SPDX-License-Identifier: Apache-2.0
// Namespaces come and go while hosts use the others.

#include "core/log.h"
#include "nvmf/model/controller.h"
#include "nvmf/model/environment.h"
#include "nvmf/model/media_health.h"
#include "nvmf/model/subsystem.h"

#include <algorithm>

namespace causeway::nvmf {

using namespace std::chrono_literals;

std::uint32_t subsystem::free_nsid() const noexcept {
    std::uint32_t nsid = 1;
    for (const auto& [taken, ns] : namespaces_) {
        if (taken != nsid)
            break;
        ++nsid;
    }
    return nsid;
}

core::result<nvm_namespace::identity> subsystem::identify_namespace(const namespace_params& p,
                                                                    const bdev::device& d) const {
    nvm_namespace::identity id;
    id.nsid = p.nsid ? p.nsid : free_nsid();
    if (id.nsid > options_.max_namespaces) {
        if (p.nsid)
            return core::fail(EINVAL, fmt::format("an nsid is at most {} here", options_.max_namespaces), nqn());
        return core::fail(ENOSPC, fmt::format("there are {} namespaces, the maximum", namespaces_.size()), nqn());
    }
    if (namespaces_.contains(id.nsid))
        return core::fail(EEXIST, fmt::format("nsid {} is taken", id.nsid), nqn());
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
core::result<> subsystem::check_identifiers(const nvm_namespace::identity& id, const bdev::device& d) const {
    if (id.uuid == bdev::uuid() || id.nguid == nvmf::nguid() || id.eui64 == nvmf::eui64())
        return core::fail(EINVAL, "an identifier must not be all zeroes: give another one, or leave it out", d.name());
    for (const auto& s : environment_.subsystems)
        for (const auto& [nsid, other] : s->namespaces())
            if (&other->device() != &d &&  // the driver that has it reports it itself
                (other->nguid() == id.nguid || other->uuid() == id.uuid || (id.eui64 && other->eui64() == id.eui64)))
                return core::fail(EEXIST,
                                  fmt::format("namespace {} of {} has the same identifier: give another one, or leave "
                                              "it out",
                                              nsid, s->nqn()),
                                  d.name());
    return {};
}

core::task<core::result<std::uint32_t>> subsystem::add_namespace(namespace_params p) {
    const auto self = shared_from_this();
    if (is_discovery() || closing_)
        co_return core::fail(
            EINVAL, "cannot add a namespace: the subsystem is a discovery subsystem, or is being deleted", nqn());
    const std::shared_ptr<bdev::device> device = environment_.devices.find(p.bdev_name);
    if (!device)
        co_return core::fail(ENODEV, "no such device", p.bdev_name);
    if (auto fits = environment_.transports.check_block_size(*device); !fits)
        co_return tl::make_unexpected(std::move(fits.error()));
    auto id = identify_namespace(p, *device);
    if (!id)
        co_return tl::make_unexpected(std::move(id.error()));
    const auto ns = std::make_shared<nvm_namespace>(*this, *id, device);
    if (auto claimed = device->claim(*ns); !claimed)
        co_return tl::make_unexpected(std::move(claimed.error()));
    namespaces_.emplace(id->nsid, ns);

    co_await core::for_each_reactor(environment_.group,
                                    [&](core::reactor& r) { tables_.on(r.index()).insert(ns->cores_.on(r.index())); });
    if (!ns->subsystem_)  // its device, or this subsystem, went away meanwhile
        co_return core::fail(ENODEV, "the device was removed meanwhile", p.bdev_name);
    ns->active_ = true;
    core::log::info("{}: namespace {} is {}", nqn(), id->nsid, device->name());
    namespace_changed(id->nsid);
    health_changed();
    co_return id->nsid;
}

std::shared_ptr<nvm_namespace> subsystem::begin_removal(std::uint32_t nsid) {
    const auto it = namespaces_.find(nsid);
    if (it == namespaces_.end())
        return nullptr;
    std::shared_ptr<nvm_namespace> ns = it->second;
    namespaces_.erase(it);
    ns->active_ = false;
    ns->subsystem_ = nullptr;
    core::log::info("{}: removing namespace {} ({})", nqn(), nsid, ns->device().name());
    core::detach(tear_down_namespace(ns));
    return ns;
}

core::task<> subsystem::wait_for_removals(std::vector<std::shared_ptr<nvm_namespace>> going) const {
    const core::clock& time = environment_.group.time();
    const core::ticks end = time.now() + time.to_ticks(1s);  // for all of them
    for (const auto& ns : going) {
        const core::ticks now = time.now();
        const bool released = co_await ns->released_.wait_for(time.to_nanoseconds(end - std::min(now, end)));
        if (!released)
            core::log::warning("{}: namespace {} was removed, but {} still has I/O of it in flight", nqn(), ns->nsid(),
                               ns->device().name());
    }
}

core::task<core::result<>> subsystem::remove_namespace(std::uint32_t nsid) {
    const auto self = shared_from_this();
    std::vector going{begin_removal(nsid)};
    if (!going[0])
        co_return core::fail(ENODEV, fmt::format("no namespace {}", nsid), nqn());
    co_await wait_for_removals(std::move(going));
    co_return core::result<>();
}

/// Out of every core's table, so that no I/O begins any more; then what is in flight ends; then the device is
/// free.
core::task<> subsystem::tear_down_namespace(std::shared_ptr<nvm_namespace> ns) {
    const auto self = shared_from_this();
    co_await core::for_each_reactor(environment_.group,
                                    [&](core::reactor& r) { tables_.on(r.index()).remove(ns->cores_.on(r.index())); });
    namespace_changed(ns->nsid());
    health_changed();
    co_await ns->drain();
    ns->device().release(*ns);
    ns->released_.set();
}

void subsystem::namespace_changed(std::uint32_t nsid) {
    for (const auto& [cntlid, c] : controllers_)
        c->namespace_changed(nsid);
}

void subsystem::health_changed() {
    const std::uint8_t warnings = media_health(*this).critical_warning;
    for (const auto& [cntlid, c] : controllers_)
        c->events().warn(warnings);
}

bool subsystem::has_volatile_write_cache() const noexcept {
    return std::any_of(namespaces_.begin(), namespaces_.end(),
                       [](const auto& entry) { return entry.second->device().capabilities().volatile_write_cache; });
}

bool subsystem::all_serve(bdev::op o) const noexcept {
    return !namespaces_.empty() && std::all_of(namespaces_.begin(), namespaces_.end(), [o](const auto& entry) {
        return entry.second->device().capabilities().supports(o);
    });
}

}  // namespace causeway::nvmf
