// SPDX-License-Identifier: Apache-2.0
#include "bdev/registry.h"

#include "bdev/device_counters.h"
#include "core/notification_log.h"

#include <algorithm>
#include <cassert>

namespace causeway::bdev {

namespace {

bool answers_to(const device& d, std::string_view name) {
    return d.name() == name || std::find(d.aliases().begin(), d.aliases().end(), name) != d.aliases().end();
}

}  // namespace

bool registry::taken(std::string_view name) const {
    return std::find(reserved_.begin(), reserved_.end(), name) != reserved_.end() ||
           std::any_of(devices_.begin(), devices_.end(), [&](const auto& d) { return answers_to(*d, name); });
}

core::result<> registry::add(std::shared_ptr<device> d) {
    for (const auto& other : devices_) {
        if (answers_to(*other, d->name()))
            return core::fail(EEXIST, "a device of this name exists", d->name());
        for (const auto& alias : d->aliases())
            if (answers_to(*other, alias))
                return core::fail(EEXIST, "device " + other->name() + " already is this", alias);
        if (other->id() == d->id())
            return core::fail(EEXIST, "device " + other->name() + " has the same UUID", to_string(d->id()));
    }
    if (taken(d->name()))
        return core::fail(EEXIST, "a device of this name is being made or removed", d->name());
    auto counted = counter_list_.add(counters_of(*d));
    if (!counted)
        return tl::make_unexpected(std::move(counted.error()));
    counted_.emplace(d.get(), std::move(*counted));
    core::notifications().add(core::notification_type::bdev_register, d->name());
    devices_.push_back(std::move(d));
    added_.notify_all();
    return {};
}

core::result<> registry::add(std::shared_ptr<device> d, reservation name) {
    assert(name.registry_ == this && name.name_ == d->name());
    name.release();
    return add(std::move(d));
}

std::shared_ptr<device> registry::find(std::string_view name_or_uuid) const {
    for (const auto& d : devices_)
        if (answers_to(*d, name_or_uuid))
            return d;
    if (const auto id = uuid_from(name_or_uuid))
        for (const auto& d : devices_)
            if (d->id() == *id)
                return d;
    return nullptr;
}

core::task<std::shared_ptr<device>> registry::find_within(core::nanoseconds limit, std::string name_or_uuid) {
    std::shared_ptr<device> found;
    co_await added_.wait_for(limit, [&] {
        found = find(name_or_uuid);
        return found != nullptr;
    });
    co_return found;
}

core::result<registry::reservation> registry::reserve(std::string name) {
    if (name.empty())
        return core::fail(EINVAL, "a device needs a name", name);
    if (taken(name))
        return core::fail(EEXIST, "a device of this name exists", name);
    reserved_.push_back(name);
    return reservation(*this, std::move(name));
}

std::string registry::free_name(std::string_view prefix) const {
    for (unsigned n = 0;; ++n) {
        std::string name = std::string(prefix) + std::to_string(n);
        if (!taken(name))
            return name;
    }
}

core::task<core::result<>> registry::remove(std::string name) {
    const std::shared_ptr<device> d = find(name);
    if (!d)
        co_return core::fail(ENODEV, name);
    std::erase(devices_, d);
    counted_.erase(d.get());
    // Its name stays reserved until the back end is closed: the same image is not opened a second time meanwhile.
    reserved_.push_back(d->name());
    const reservation until_closed(*this, d->name());
    core::notifications().add(core::notification_type::bdev_unregister, d->name());
    d->announce_removal();
    co_await d->unclaimed();
    co_await d->close();
    co_return core::result<>();
}

registry::reservation::reservation(reservation&& other) noexcept
    : registry_(std::exchange(other.registry_, nullptr)), name_(std::move(other.name_)) {}

registry::reservation::~reservation() {
    release();
}

void registry::reservation::release() noexcept {
    if (registry_) {
        auto& all = std::exchange(registry_, nullptr)->reserved_;
        all.erase(std::find(all.begin(), all.end(), name_));
    }
}

}  // namespace causeway::bdev
