// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/registry.h"
#include "bdev_rbd/fence_recovery.h"
#include "bdev_rbd/open_image.h"
#include "bdev_rbd/rbd_device.h"
#include "ceph/clusters.h"
#include "core/gate.h"
#include "core/placement.h"

#include <map>
#include <optional>
#include <string>

namespace causeway::bdev_rbd {

/// The parameters of bdev_rbd_create.
struct disk_params {
    std::string name;  ///< empty: "Ceph0", "Ceph1", …
    image_spec image;
    std::uint32_t block_size = 512;
    std::string cluster_name;  ///< a registered client; empty: one for this image alone, by `client`
    ceph::client_options client;
    std::optional<bdev::uuid> uuid;  ///< absent: from the image's identity and block size, the same on every gateway
    std::string image_id;            ///< empty: whichever image has the name; else that one alone
};

/// Opens, resizes and removes RBD images as devices. Lives on the control reactor.
class disks {
  public:
    /// `homes` gives each image its main thread.
    disks(bdev::registry& devices, ceph::clusters& named, core::placement& homes)
        : devices_(devices), clusters_(named), homes_(homes), recovery_(named) {}

    /// Connects if need be, opens the image and adds it. Blocks no reactor, whatever state the cluster is in. EEXIST
    /// (name), EBUSY (the image is open here by another name), ESTALE (the name now belongs to another image), ENOENT,
    /// ETIMEDOUT, ECANCELED (removed meanwhile).
    core::task<core::result<std::shared_ptr<rbd_device>>> create(disk_params params);
    /// ENODEV (no RBD device of that name). One that is still being opened is given up at once.
    core::task<core::result<>> remove(std::string name);
    /// ENODEV, rbd_device::resize()'s errors.
    core::task<core::result<>> resize(std::string name, resize_request wanted);
    /// ENODEV, rbd_device::refresh_size()'s errors.
    core::task<core::result<>> refresh_size(std::string name);

    /// Gives up all that is still being opened: the gateway ends. Nothing is opened any more.
    void cancel_openings();
    /// Likewise, and ends when each device that was being made is there, or nothing is left of it.
    core::task<> stop();
    /// What a device was made with, its name and its image's id filled in; nullptr: not one of these.
    const disk_params* params_of(const bdev::device& d) const;
    /// What is being opened now.
    std::size_t opening() const noexcept { return openings_.size(); }

  private:
    struct progress {
        ceph::deadline_call<std::shared_ptr<ceph::client>> connecting;
        ceph::deadline_call<std::unique_ptr<image>> opening;
        bool cancelled = false;
        void cancel(const core::error& why);
    };

    core::task<core::result<std::shared_ptr<rbd_device>>> open_and_make(disk_params params);
    core::task<core::result<std::unique_ptr<image>>> open(progress& p, const disk_params& params,
                                                          std::optional<ceph::clusters::lease>& lease);
    core::task<core::result<std::shared_ptr<rbd_device>>> make(disk_params params, std::unique_ptr<image> opened,
                                                               std::optional<ceph::clusters::lease> lease,
                                                               bdev::registry::reservation name);

    bdev::registry& devices_;
    ceph::clusters& clusters_;
    core::placement& homes_;
    std::map<std::string, progress*> openings_;
    core::gate creations_;
    bool stopping_ = false;
    fence_recovery recovery_;
    std::map<bdev::uuid, disk_params> open_images_;  ///< by the image's identity
};

}  // namespace causeway::bdev_rbd
