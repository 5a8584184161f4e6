// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/device.h"
#include "bdev_nvme/controller.h"

#include <memory>

namespace causeway::bdev_nvme {

/// A namespace of a local NVMe controller as a block device. It has no main thread: each core has a queue of the
/// controller's, and its I/O neither leaves it nor meets another core's.
class nvme_device final : public bdev::device {
  public:
    nvme_device(core::reactor_group& group, std::string name, std::shared_ptr<controller> of, const namespace_info& f);

    std::string_view product_name() const noexcept override { return "NVMe disk"; }
    const bdev::health* medium_health() const noexcept override { return controller_->health(); }

    bdev_nvme::controller& controller() const noexcept { return *controller_; }
    const namespace_info& info() const noexcept { return info_; }
    /// True: `f` is this device still, of whatever size. Limits and capabilities are part of it: after new firmware has
    /// been activated by a reset, a controller may take shorter transfers or have lost a command, and hosts must hear
    /// of it.
    bool is_still(const namespace_info& f) const noexcept;

  private:
    void submit(bdev::io& i) noexcept override;

    const std::shared_ptr<bdev_nvme::controller> controller_;
    const namespace_info info_;
};

}  // namespace causeway::bdev_nvme
