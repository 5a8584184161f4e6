// SPDX-License-Identifier: Apache-2.0
#include "bdev_rbd/fence_recovery.h"

#include "bdev_rbd/open_image.h"
#include "core/log_event.h"

#include <algorithm>

namespace causeway::bdev_rbd {

using namespace std::chrono_literals;

namespace {

constexpr auto first_retry = 1s;
constexpr auto longest_retry = 16s;
// Two gateways that take an image's lock from each other fence each other each time. A client that is fenced again so
// soon waits longer.
constexpr auto fenced_again_within = 60s;

core::ticks now() {
    return core::reactor::current()->now();
}

}  // namespace

void fence_recovery::add(const std::shared_ptr<rbd_device>& d, std::string cluster_name, ceph::client_options own) {
    const std::string text = cluster_name.empty() ? d->spec().text() : cluster_name;
    members_[d.get()] = {d, {std::move(cluster_name), std::move(own), text}};
    d->on_fenced = [this, device = d.get()] {
        if (const auto it = members_.find(device); it != members_.end() && !device->closing())
            begin(it->second.from, device->client_id());
    };
}

void fence_recovery::remove(const rbd_device& d) {
    members_.erase(&d);
}

void fence_recovery::fenced(const std::string& cluster_name, std::uint64_t client_id) {
    begin({cluster_name, {}, cluster_name}, client_id);
}

void fence_recovery::stop() {
    stopping_.set();
    const core::error why{ECANCELED, "the gateway is shutting down", ""};
    for (run& r : runs_) {
        r.connecting.cancel(why);
        for (auto& opening : r.openings)
            opening.cancel(why);
    }
}

core::task<> fence_recovery::stopped() {
    co_await run_ended_.wait([this] { return runs_.empty(); });
}

void fence_recovery::begin(origin from, std::uint64_t client_id) {
    const bool known = std::ranges::any_of(runs_, [&](const run& r) { return r.client_id == client_id; });
    if (known || stopping_.is_set())
        return;
    run& r = runs_.emplace_front();
    r.client_id = r.to_replace = client_id;
    core::detach(recover(std::move(from), runs_.begin()));
}

fence_recovery::devices fence_recovery::images_of(std::uint64_t client_id) const {
    devices all;
    for (const auto& [device, member] : members_)
        if (auto d = member.device.lock(); d && !d->closing() && d->client_id() == client_id)
            all.push_back(std::move(d));
    return all;
}

core::task<> fence_recovery::recover(origin from, std::list<run>::iterator r) {
    const auto policy = clusters_.fenced(from.cluster_name, r->client_id).value_or(from.own.on_fenced);
    const devices images = images_of(r->client_id);
    core::log::report(core::log::event::gateway_fenced, {{"cluster", from.text}, {"images", images.size()}},
                      "{}: the Ceph cluster has blocklisted this gateway's client; {} images are inaccessible{}",
                      from.text, images.size(),
                      policy == ceph::fence_policy::offline ? " until they have been deleted and created again" : "");
    for (const auto& d : images)
        co_await d->suspend();

    if (policy == ceph::fence_policy::reconnect)
        co_await reconnect(from, *r);
    runs_.erase(r);
    run_ended_.notify_all();
}

core::task<> fence_recovery::reconnect(const origin& from, run& r) {
    co_await pause(delay_before(from));
    for (core::nanoseconds retry = first_retry; !stopping_.is_set();
         retry = std::min<core::nanoseconds>(2 * retry, longest_retry)) {
        auto fresh = co_await connect_new_client(from, r);
        if (fresh) {
            co_await reopen_all(images_of(r.client_id), *fresh, r);
            if (r.to_replace == (*fresh)->id())
                clusters_.fenced(from.cluster_name, r.to_replace);
            const auto threads = (*fresh)->threads();
            ceph::destroy_on(*threads, std::move(*fresh));  // it may have no other owner by now
        } else {
            core::log::report(core::log::event::cluster_unreachable, {{"cluster", from.text}},
                              "{}: cannot connect a new client yet: {}", from.text, fresh.error().text());
        }
        if (images_of(r.client_id).empty() && !clusters_.has(from.cluster_name, r.client_id))
            co_return;
        co_await pause(retry);
    }
}

core::task<core::result<std::shared_ptr<ceph::client>>> fence_recovery::connect_new_client(const origin& from, run& r) {
    if (!from.cluster_name.empty())
        co_return co_await clusters_.reconnect(from.cluster_name, r.to_replace, r.connecting);
    co_return co_await clusters_.connect(from.own, r.connecting);
}

/// All at once: one that hangs holds up no other.
core::task<> fence_recovery::reopen_all(devices images, const std::shared_ptr<ceph::client>& on, run& r) {
    core::one_shot<bool> all_done;
    std::size_t left = images.size();
    for (const auto& d : images) {
        core::detach(d->suspend(), [&, d] {  // one that was opened on the old client meanwhile, too
            core::detach(reopen(d, on, r), [&] {
                if (--left == 0)
                    all_done.set(true);
            });
        });
    }
    if (!images.empty())
        co_await all_done;
    r.openings.clear();
}

core::task<> fence_recovery::reopen(std::shared_ptr<rbd_device> d, std::shared_ptr<ceph::client> on, run& r) {
    if (stopping_.is_set())  // its opening would be one that stop() has not cancelled
        co_return;
    const auto on_id = on->id();
    auto opened = co_await open_image(std::move(on), d->spec(), r.openings.emplace_back());
    if (!opened && opened.error().code == ESHUTDOWN)
        r.to_replace = on_id;
    core::result<> resumed;
    if (opened)
        resumed = co_await d->resume(std::move(*opened));
    else
        resumed = tl::make_unexpected(opened.error());
    if (resumed)
        core::log::notice("{}: image {} has been reopened on a new client", d->name(), d->spec().text());
    else if (!d->closing())
        core::log::report(core::log::event::image_inaccessible, {{"device", d->name()}}, "{}: still inaccessible: {}",
                          d->name(), resumed.error().text());
}

core::nanoseconds fence_recovery::delay_before(const origin& from) {
    history& h = histories_[from.text];
    const auto& time = core::reactor::current()->time();
    const bool again = h.last && now() - h.last < time.to_ticks(fenced_again_within);
    h.streak = again ? h.streak + 1 : 0;
    h.last = now();
    return again ? std::min<core::nanoseconds>(first_retry * (1u << std::min(h.streak - 1, 4u)), longest_retry) : 0ns;
}

core::task<> fence_recovery::pause(core::nanoseconds d) {
    co_await stopping_.wait_for(d);
}

}  // namespace causeway::bdev_rbd
