// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/controllers.h"

#include "bdev_nvme/counters.h"
#include "core/log.h"

#include <algorithm>
#include <cassert>

namespace causeway::bdev_nvme {

namespace {

/// Keeps a word in a set for as long as it lives, and tells `gone` of its end.
class kept {
  public:
    kept(std::set<std::string>& in, std::string word, core::condition_variable& gone)
        : in_(in), word_(std::move(word)), gone_(gone) {
        in_.insert(word_);
    }
    kept(const kept&) = delete;
    kept& operator=(const kept&) = delete;
    ~kept() {
        if (stays_)
            return;
        in_.erase(word_);
        gone_.notify_all();
    }
    void stay() noexcept { stays_ = true; }

  private:
    std::set<std::string>& in_;
    const std::string word_;
    core::condition_variable& gone_;
    bool stays_ = false;
};

std::string device_name(const std::string& controller, std::uint32_t nsid) {
    return fmt::format("{}n{}", controller, nsid);
}

}  // namespace

controllers::~controllers() {
    assert(entries_.empty());
}

std::shared_ptr<controllers::entry> controllers::find(const std::string& name) const {
    const auto it = std::ranges::find(entries_, name, [](const auto& e) { return e->name; });
    return it == entries_.end() ? nullptr : *it;
}

std::shared_ptr<controllers::entry> controllers::find(const controller& c) const {
    const auto it = std::ranges::find(entries_, &c, [](const auto& e) { return e->of.get(); });
    return it == entries_.end() ? nullptr : *it;
}

std::vector<controllers::view> controllers::all() const {
    std::vector<view> list;
    for (const auto& e : entries_) {
        view v{e->name, e->of.get(), e->params, e->by_hotplug, {}};
        for (const auto& d : e->devices)
            v.devices.push_back(d->name());
        list.push_back(std::move(v));
    }
    return list;
}

// Attach.

core::task<core::result<std::vector<std::string>>> controllers::attach(attach_params p) {
    return attach_as(std::move(p), false);
}

core::task<core::result<std::vector<std::string>>> controllers::attach_as(attach_params p, bool by_hotplug) {
    if (closing_)
        co_return core::fail(ECANCELED, "the gateway is shutting down", p.name);
    if (p.name.empty())
        co_return core::fail(EINVAL, "a controller needs a name");
    auto address = bus_.normalized(p.address);
    if (!address)
        co_return tl::make_unexpected(address.error());
    p.address = *address;
    if (names_.contains(p.name))
        co_return core::fail(EEXIST, "there is a controller of that name already", p.name);
    if (addresses_.contains(p.address))
        co_return core::fail(EBUSY, "the controller is attached already", p.address);
    kept name(names_, p.name, ended_);
    kept address_reservation(addresses_, p.address, ended_);

    const std::string& where = p.address;
    auto opened = co_await core::run_blocking(devices_.group(), [this, &where] { return bus_.open(where); });
    if (!opened)
        co_return tl::make_unexpected(opened.error());
    controller_options o = options_;
    o.io_queues = p.io_queues;
    auto started = co_await controller::start(devices_.group(), std::move(*opened), o);
    if (!started)
        co_return tl::make_unexpected(started.error());

    auto e = std::make_shared<entry>(entry{p.name, p, by_hotplug, false, std::move(*started), {}});
    name.stay();
    address_reservation.stay();
    entries_.push_back(e);
    previous_names_[p.address] = p.name;
    if (closing_ || e->of->now() == controller::state::removed) {  // it went, or we do, while it came
        co_await leave(e);
        co_return core::fail(ENODEV, "the controller is gone", p.address);
    }
    e->of->observe(this);
    register_counters(*e);
    add_devices(*e);
    std::vector<std::string> made;
    for (const auto& d : e->devices)
        made.push_back(d->name());
    core::log::notice("{}: NVMe controller {} ({}, {}), {} namespaces, {} queues", e->name, p.address,
                      e->of->info().model_number, e->of->info().serial_number, made.size(), e->of->queue_count());
    co_return made;
}

void controllers::register_counters(entry& e) {
    auto listed = devices_.counter_list().add({queue_table, {{"controller", e.name}}, devices_.group().size()});
    if (!listed)
        return;
    e.counted = std::move(*listed);
    for (std::size_t core = 0; core < e.of->queue_count(); ++core)
        e.counted.attach(queue_table, core, e.of->queue(core).stats());
}

/// A device for each namespace that has none yet.
void controllers::add_devices(entry& e) {
    for (const auto& n : e.of->namespaces()) {
        const auto has = [&](const auto& d) { return d->info().nsid == n.nsid; };
        if (std::ranges::any_of(e.devices, has))
            continue;
        if (!n.info) {
            core::log::warning("{}", n.info.error().text());
            continue;
        }
        if (e.devices.size() >= e.params.max_devices) {
            core::log::warning("{}: namespace {} is skipped: there are {} devices already", e.name, n.nsid,
                               e.devices.size());
            continue;
        }
        auto d = std::make_shared<nvme_device>(devices_.group(), device_name(e.name, n.nsid), e.of, *n.info);
        if (auto added = devices_.add(d); !added) {
            core::log::warning("{}: namespace {} is skipped: {}", e.name, n.nsid, added.error().text());
            continue;
        }
        e.devices.push_back(std::move(d));
    }
}

// Notifications of controllers.

void controllers::namespaces_changed(controller& c) {
    if (const auto e = find(c); e && !e->leaving)
        core::detach(update_devices(e));
}

core::task<> controllers::update_devices(std::shared_ptr<entry> e) {
    for (const auto& d : std::vector(e->devices)) {
        const auto& found = e->of->namespaces();
        const auto it = std::ranges::find(found, d->info().nsid, &controller::found_namespace::nsid);
        if (it != found.end() && !it->info && it->info.error().code != ENOTSUP)
            continue;  // the controller did not say: it stays as it was
        if (it != found.end() && it->info && d->is_still(*it->info)) {
            d->set_blocks(it->info->geometry.blocks);
            continue;
        }
        core::log::warning("{}: the namespace is gone, or is another one now, or has other limits", d->name());
        co_await devices_.remove(d->name());
        std::erase(e->devices, d);
    }
    if (!e->leaving)
        add_devices(*e);
}

void controllers::health_changed(controller& c) {
    if (const auto e = find(c))
        for (const auto& d : e->devices)
            d->announce_health();
}

void controllers::removed(controller& c) {
    const auto e = find(c);
    if (!e || e->leaving)
        return;
    // It exists until we have released it. If hot plug took it again then, the kernel would wait for ever.
    refused_.insert(e->params.address);
    core::detach(leave(e));
}

// The end.

/// Hosts lose the devices first; then the controller ends.
core::task<> controllers::leave(std::shared_ptr<entry> e) {
    e->leaving = true;
    for (const auto& d : std::exchange(e->devices, {}))
        co_await devices_.remove(d->name());
    e->of->observe(nullptr);
    co_await e->of->close();
    e->counted = {};
    std::erase(entries_, e);
    names_.erase(e->name);
    addresses_.erase(e->params.address);
    ended_.notify_all();
    core::log::notice("{}: detached", e->name);
}

core::task<core::result<>> controllers::detach(std::string name) {
    const auto e = find(name);
    if (!e || e->leaving)
        co_return core::fail(ENODEV, "there is no such NVMe controller", name);
    refused_.insert(e->params.address);  // or hot plug would bring it back at once
    co_await leave(e);
    co_return core::result<>();
}

core::task<> controllers::close(core::timer* limit, core::nanoseconds each) {
    closing_ = true;
    hotplug_timer_.reset();
    // A name is taken from the beginning of an attachment to the end of a detachment.
    const auto is_over = [&] { return !looking_ && names_.empty(); };
    const auto one_stays = [&] { return !entries_.empty() && !entries_.back()->leaving; };
    for (;;) {
        co_await ended_.wait([&] { return is_over() || one_stays(); });
        if (!one_stays())
            co_return;
        if (limit)
            limit->arm_after(each);
        co_await leave(entries_.back());
    }
}

// The rest.

core::task<core::result<>> controllers::reset(std::string name) {
    const auto e = find(name);
    if (!e)  // one that leaves may wait for I/O that only a reset brings back
        co_return core::fail(ENODEV, "there is no such NVMe controller", name);
    co_return co_await e->of->reset("by request");
}

core::task<core::result<>> controllers::read_health(std::string name) {
    const auto e = find(name);
    if (!e || e->leaving)
        co_return core::fail(ENODEV, "there is no such NVMe controller", name);
    co_return co_await e->of->read_health();
}

void controllers::set_options(const controller_options& o) {
    options_ = o;
    options_set_ = true;
    for (const auto& e : entries_) {
        controller_options its = o;
        its.io_queues = e->params.io_queues;
        e->of->set_options(its);
    }
}

core::result<> controllers::set_hotplug(bool on, core::nanoseconds period) {
    if (period > longest_hotplug_period || period.count() < 0)
        return core::fail(EINVAL, "the hot plug period is at most 10 seconds");
    hotplug_period_ = period.count() ? period : core::nanoseconds(default_hotplug_period);
    hotplug_timer_.reset();
    if (!on)
        return {};
    hotplug_timer_.emplace(devices_.group().control(), [this] { core::detach(scan_for_controllers()); });
    hotplug_timer_->arm_every(hotplug_period_);
    return {};
}

core::task<> controllers::scan_for_controllers() {
    if (std::exchange(looking_, true))
        co_return;
    const auto present = co_await core::run_blocking(devices_.group(), [this] { return bus_.present(); });
    std::erase_if(refused_, [&](const std::string& a) { return !std::ranges::binary_search(present, a); });
    for (const std::string& address : present) {
        if (!hotplug_timer_ || closing_ || addresses_.contains(address) || refused_.contains(address))
            continue;
        attach_params p;
        p.address = address;
        const auto before = previous_names_.find(address);
        if (before != previous_names_.end() && !names_.contains(before->second))
            p.name = before->second;
        for (unsigned i = 0; p.name.empty(); ++i)
            if (const auto free = fmt::format("HotInNvme{}", i); !names_.contains(free))
                p.name = free;
        const bool stranger = before == previous_names_.end() || p.name != before->second;
        if (const auto done = co_await attach_as(p, stranger); !done) {
            refused_.insert(address);
            core::log::warning("hot plug: {}", done.error().text());
        }
    }
    looking_ = false;
    ended_.notify_all();
}

}  // namespace causeway::bdev_nvme
