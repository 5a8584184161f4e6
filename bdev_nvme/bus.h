// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev_nvme/function.h"
#include "core/result.h"

#include <memory>
#include <string>
#include <vector>

namespace causeway::bdev_nvme {

/// Where controllers are found. The machine's own is pci_bus.h; tests have one of models. Its calls may block: never on
/// a reactor.
class bus {
  public:
    virtual ~bus() = default;

    /// Takes a function for this process alone. `address`: as operators write it: "0000:3b:00.0", "3b:00.0". EINVAL (no
    /// address), ENODEV, EBUSY (another driver or process has it), ENOTSUP (no NVMe controller, no IOMMU), and the
    /// bus's own.
    virtual core::result<std::unique_ptr<function>> open(const std::string& address) = 0;
    /// Addresses of the controllers that could be opened, those that are open included. In order.
    virtual std::vector<std::string> present() = 0;
    /// The one way of writing an address. EINVAL.
    virtual core::result<std::string> normalized(const std::string& address) = 0;
};

}  // namespace causeway::bdev_nvme
