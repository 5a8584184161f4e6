// SPDX-License-Identifier: Apache-2.0
#include "bdev_rbd/disks.h"

#include "core/notification_log.h"
#include "core/trace.h"

namespace causeway::bdev_rbd {

using namespace std::chrono_literals;

namespace {

core::log::flag trace_images("bdev_rbd");

core::error cancelled(const std::string& name) {
    return {ECANCELED, "the device was deleted while its image was being opened", name};
}

core::error another_image(const disk_params& p, const std::string& id) {
    return {ESTALE,
            "the image of this name has the id " + id + ", not " + p.image_id +
                ": it is another disk. Give the old one its name back, or create the device without image_id",
            p.image.text()};
}

}  // namespace

core::task<core::result<std::shared_ptr<rbd_device>>> disks::create(disk_params params) {
    if (stopping_)
        co_return core::fail(ECANCELED, "the gateway is shutting down", params.name);
    const auto under_way = creations_.hold();
    co_return co_await open_and_make(std::move(params));
}

core::task<core::result<std::shared_ptr<rbd_device>>> disks::open_and_make(disk_params params) {
    auto spec = normalized(std::move(params.image));
    if (!spec)
        co_return tl::make_unexpected(spec.error());
    params.image = std::move(*spec);
    if (params.name.empty())
        params.name = devices_.free_name("Ceph");
    auto name = devices_.reserve(params.name);
    if (!name)
        co_return tl::make_unexpected(name.error());

    progress p;
    openings_[params.name] = &p;
    std::optional<ceph::clusters::lease> lease;
    auto opened = co_await open(p, params, lease);
    openings_.erase(params.name);
    if (!opened)
        co_return tl::make_unexpected(opened.error());
    if (p.cancelled) {  // in the very moment when it was ready
        close_on_cluster_threads(std::move(*opened));
        co_return tl::make_unexpected(cancelled(params.name));
    }
    co_return co_await make(params, std::move(*opened), std::move(lease), std::move(*name));
}

core::task<core::result<std::unique_ptr<image>>> disks::open(progress& p, const disk_params& params,
                                                             std::optional<ceph::clusters::lease>& lease) {
    std::shared_ptr<ceph::client> with;
    if (params.cluster_name.empty()) {
        auto connected = co_await clusters_.connect(params.client, p.connecting);
        if (!connected)
            co_return tl::make_unexpected(connected.error());
        with = std::move(*connected);
    } else {
        auto used = clusters_.use(params.cluster_name);
        if (!used)
            co_return tl::make_unexpected(used.error());
        lease.emplace(std::move(*used));
        with = lease->get();
    }
    if (p.cancelled) {
        const auto threads = with->threads();
        ceph::destroy_on(*threads, std::move(with));
        co_return tl::make_unexpected(cancelled(params.name));
    }

    const auto client_id = with->id();
    CAUSEWAY_TRACE(trace_images, "{}: opening image {}", params.name, params.image.text());
    auto opened = co_await open_image(std::move(with), params.image, p.opening);
    CAUSEWAY_TRACE(trace_images, "{}: image {}: {}", params.name, params.image.text(),
                   opened ? "opened" : opened.error().text());
    if (!opened && opened.error().code == ESHUTDOWN && lease)
        recovery_.fenced(params.cluster_name, client_id);
    co_return opened;
}

core::task<core::result<std::shared_ptr<rbd_device>>> disks::make(disk_params params, std::unique_ptr<image> opened,
                                                                  std::optional<ceph::clusters::lease> lease,
                                                                  bdev::registry::reservation name) {
    const bdev::uuid identity = opened->info().identity;
    if (!params.image_id.empty() && params.image_id != opened->info().id) {
        core::error other = another_image(params, opened->info().id);
        close_on_cluster_threads(std::move(opened));
        co_return tl::make_unexpected(std::move(other));
    }
    params.image_id = opened->info().id;
    if (open_images_.contains(identity)) {
        close_on_cluster_threads(std::move(opened));
        co_return core::fail(EBUSY, "the image is open here already: one image, one handle", params.image.text());
    }
    rbd_device::options o;
    o.name = params.name;
    o.block_size = params.block_size;
    o.id = params.uuid.value_or(opened->disk_identity(params.block_size));
    o.alias = !devices_.find(params.image.text());  // two clusters may have the same names
    auto made = rbd_device::create(std::move(o), opened, homes_.lease(core::lease_kind::disk));
    if (!made) {
        close_on_cluster_threads(std::move(opened));
        co_return tl::make_unexpected(made.error());
    }

    const std::shared_ptr<rbd_device> device = std::move(*made);
    if (device->info().cache)
        core::log::warning("{}: rbd_cache is on: what hosts have not flushed is lost if this gateway ends unexpectedly",
                           params.image.text());
    open_images_.emplace(identity, params);
    recovery_.add(device, params.cluster_name, params.client);
    device->on_closed = [this, identity, d = device.get(),
                         keep = std::make_shared<std::optional<ceph::clusters::lease>>(std::move(lease))] {
        CAUSEWAY_TRACE(trace_images, "{}: image {}: closed", d->name(), d->spec().text());
        recovery_.remove(*d);
        open_images_.erase(identity);
        keep->reset();
    };
    device->on_shrunk = [d = device.get()](std::uint64_t before, std::uint64_t now) {
        core::notifications().add(core::notification_type::bdev_shrink,
                                  fmt::format("{},{},{}", d->name(), before, now));
    };
    auto ready = co_await device->follow_size();
    if (ready)
        ready = devices_.add(device, std::move(name));
    if (!ready) {
        co_await device->close();
        co_return tl::make_unexpected(ready.error());
    }
    core::log::info("{}: image {}, main thread on core {}", device->name(), params.image.text(), device->home()->cpu());
    co_return device;
}

void disks::progress::cancel(const core::error& why) {
    cancelled = true;
    connecting.cancel(why);
    opening.cancel(why);
}

void disks::cancel_openings() {
    stopping_ = true;
    for (const auto& [name, p] : openings_)  // the answers come in a later turn
        p->cancel({ECANCELED, "the gateway is shutting down", name});
    recovery_.stop();
}

core::task<> disks::stop() {
    cancel_openings();
    co_await creations_.close();
    co_await recovery_.stopped();
}

const disk_params* disks::params_of(const bdev::device& d) const {
    const auto* disk = dynamic_cast<const rbd_device*>(&d);
    const auto it = disk ? open_images_.find(disk->info().identity) : open_images_.end();
    return it == open_images_.end() ? nullptr : &it->second;
}

core::task<core::result<>> disks::remove(std::string name) {
    if (const auto it = openings_.find(name); it != openings_.end()) {
        it->second->cancel(cancelled(name));
        co_return core::result<>();
    }
    const auto device = devices_.find(name);
    if (!dynamic_cast<rbd_device*>(device.get()))
        co_return core::fail(ENODEV, "there is no such RBD device", name);
    co_return co_await devices_.remove(std::move(name));
}

core::task<core::result<>> disks::resize(std::string name, resize_request wanted) {
    const auto device = std::dynamic_pointer_cast<rbd_device>(devices_.find(name));
    if (!device)
        co_return core::fail(ENODEV, "there is no such RBD device", name);
    co_return co_await device->resize(wanted);
}

core::task<core::result<>> disks::refresh_size(std::string name) {
    const auto device = std::dynamic_pointer_cast<rbd_device>(devices_.find(name));
    if (!device)
        co_return core::fail(ENODEV, "there is no such RBD device", name);
    co_return co_await device->refresh_size();
}

}  // namespace causeway::bdev_rbd
