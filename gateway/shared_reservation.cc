// SPDX-License-Identifier: Apache-2.0
#include "gateway/shared_reservation.h"

namespace causeway::gateway {

using nvmf::reservation::entries;

reservation_object::reservation_object(bdev_rbd::rbd_device& device)
    : device_(device), name_("causeway_reservation." + device.info().id), at_(device.header()) {}

reservation_object::~reservation_object() {
    const auto threads = at_.client->threads();
    ceph::destroy_on(*threads, std::move(at_.client));  // it may have no other owner by now
}

void reservation_object::use(bdev_rbd::rbd_device::header_location fresh) {
    if (object_)
        object_->close();
    object_.reset();
    if (fresh.client != at_.client)  // it is the same where the attempt before has failed
        former_.push_back(address());
    const auto threads = at_.client->threads();
    ceph::destroy_on(*threads, std::exchange(at_.client, std::move(fresh.client)));
    at_.pool = fresh.pool;
}

std::string reservation_object::text() const {
    const auto& spec = device_.spec();
    return spec.pool + "/" + (spec.rados_namespace.empty() ? "" : spec.rados_namespace + "/") + name_;
}

std::vector<std::string> reservation_object::dead_clients() const {
    std::vector<std::string> all = at_.client->fenced_predecessors();
    all.insert(all.end(), former_.begin(), former_.end());
    return all;
}

core::error reservation_object::not_open() const {
    return {ENOTCONN, "the object that keeps the reservation is not open", text()};
}

core::task<core::result<>> reservation_object::watch(shared_object::observer& o) {
    observer_ = &o;
    device_.before_resume = [this](bdev_rbd::rbd_device::header_location fresh) {
        use(std::move(fresh));
        return on_new_client();
    };
    if (!object_) {
        if (address().empty())
            co_return core::fail(ENOTSUP, "the address of the image's client is not known, so nobody could fence it",
                                 text());
        const auto client = at_.client;
        ceph::watched_object::location where{at_.pool, device_.spec().rados_namespace, name_};
        auto opened = co_await ceph::watched_object::open(device_.group(), client, std::move(where));
        if (!opened)
            co_return tl::make_unexpected(std::move(opened.error()));
        if (client != at_.client)
            co_return tl::make_unexpected(not_open());  // use() has come in between, and watches by itself
        if (!object_)
            object_ = std::move(*opened);
    }
    const object now = object_;
    auto watched = co_await now->watch(*this);
    if (!watched && (watched.error().code == EPERM || watched.error().code == EACCES))
        co_return core::fail(watched.error().code,
                             "the Ceph user may not write the object that keeps the image's reservation: give it "
                             "\"profile rbd\" of the pool, or for an image that is only read \"profile rbd-read-only\" "
                             "and \"allow rwx object_prefix causeway_reservation.\"",
                             text());
    co_return watched;
}

core::task<core::result<entries>> reservation_object::read() {
    const object now = object_;
    if (!now)
        co_return tl::make_unexpected(not_open());
    co_return co_await now->read();
}

core::task<core::result<>> reservation_object::write(std::uint64_t expected, entries set,
                                                     std::vector<std::string> remove) {
    const object now = object_;
    if (!now)
        co_return tl::make_unexpected(not_open());
    ceph::watched_object::update u{
        {nvmf::reservation::number_entry, expected ? nvmf::reservation::to_shared_text(expected) : std::string()},
        std::move(set),
        std::move(remove)};
    co_return co_await now->write(std::move(u));
}

core::task<core::result<>> reservation_object::remove_entry(std::string name) {
    const object now = object_;
    if (!now)
        co_return core::result<>();
    ceph::watched_object::update u;
    u.remove.push_back(std::move(name));
    co_return co_await now->write(std::move(u));
}

core::task<core::result<std::vector<std::string>>> reservation_object::notify(std::string text,
                                                                              core::nanoseconds limit) {
    const object now = object_;
    if (!now)
        co_return tl::make_unexpected(not_open());
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(limit);
    co_return co_await now->notify(std::move(text), ms);
}

void reservation_object::acknowledge(std::uint64_t id, std::string reply) {
    if (object_)
        object_->acknowledge(id, std::move(reply));
}

core::task<core::result<>> reservation_object::fence(std::vector<std::string> addresses) {
    const object now = object_;
    if (!now)
        co_return tl::make_unexpected(not_open());
    co_return co_await now->blocklist(std::move(addresses), fence_duration);
}

core::task<core::result<>> reservation_object::wait_for_latest_map() {
    const object now = object_;
    if (!now)
        co_return tl::make_unexpected(not_open());
    co_return co_await now->wait_for_latest_map();
}

core::task<> reservation_object::close() {
    observer_ = nullptr;
    device_.before_resume = nullptr;
    if (object_)
        object_->close();
    object_.reset();
    co_return;
}

void reservation_object::notified(std::uint64_t id, std::string text) {
    if (observer_)
        observer_->notified(id, std::move(text));
}

void reservation_object::watch_lost() {
    if (observer_)
        observer_->watch_lost();
}

std::unique_ptr<nvmf::reservation::store> make_shared_reservation_store(core::reactor_group& group,
                                                                        bdev_rbd::rbd_device& device) {
    auto made = std::make_unique<reservation_object>(device);
    reservation_object& object = *made;
    auto store = std::make_unique<nvmf::reservation::shared_store>(group, std::move(made));
    object.on_new_client = [&store = *store] { return store.rejoin(); };
    return store;
}

}  // namespace causeway::gateway
