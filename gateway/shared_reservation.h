// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev_rbd/rbd_device.h"
#include "ceph/watched_object.h"
#include "nvmf/reservation/shared_object.h"
#include "nvmf/reservation/shared_store.h"

#include <memory>
#include <string>
#include <vector>

namespace causeway::gateway {

/// The object by which gateways share the reservation of an RBD image: it lies beside the image's header, by the name
/// causeway_reservation.ID, and is reached by the image's client. Control reactor. The device outlives close().
class reservation_object final : public nvmf::reservation::shared_object, private ceph::watched_object::observer {
  public:
    /// Longer than any gateway that is stopped, or cut off, sleeps: what it has on its way must not land when its entry
    /// on the blocklist is over.
    static constexpr auto fence_duration = std::chrono::hours(24 * 30);

    explicit reservation_object(bdev_rbd::rbd_device& device);
    ~reservation_object() override;

    /// Called when the image has got another client, by which everything goes from then on. The image serves nothing
    /// by that before it has ended, and only if it succeeds. From watch() to close().
    std::function<core::task<core::result<>>()> on_new_client;

    std::string text() const override;
    std::string address() const override { return at_.client->addresses(); }
    std::vector<std::string> dead_clients() const override;
    core::task<core::result<>> watch(shared_object::observer& o) override;
    core::task<core::result<nvmf::reservation::entries>> read() override;
    core::task<core::result<>> write(std::uint64_t expected, nvmf::reservation::entries set,
                                     std::vector<std::string> remove) override;
    core::task<core::result<>> remove_entry(std::string name) override;
    core::task<core::result<std::vector<std::string>>> notify(std::string text, core::nanoseconds limit) override;
    void acknowledge(std::uint64_t id, std::string reply) override;
    core::task<core::result<>> fence(std::vector<std::string> addresses) override;
    core::task<core::result<>> wait_for_latest_map() override;
    core::task<> close() override;

  private:
    using object = std::shared_ptr<ceph::watched_object>;

    void use(bdev_rbd::rbd_device::header_location fresh);
    void notified(std::uint64_t id, std::string text) override;
    void watch_lost() override;
    core::error not_open() const;

    bdev_rbd::rbd_device& device_;
    const std::string name_;
    bdev_rbd::rbd_device::header_location at_;
    object object_;  ///< nullptr until watch()
    shared_object::observer* observer_ = nullptr;
    std::vector<std::string> former_;  ///< addresses of clients before
};

/// A store that keeps its reservation there, and reads it again whenever the image has got another client.
std::unique_ptr<nvmf::reservation::store> make_shared_reservation_store(core::reactor_group& group,
                                                                        bdev_rbd::rbd_device& device);

}  // namespace causeway::gateway
