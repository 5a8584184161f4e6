// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev_nvme/bus.h"

#include <mutex>

namespace causeway::bdev_nvme {

/// The machine's own PCI bus: functions that are bound to vfio-pci, behind an IOMMU. One per process.
///
/// Devices address our memory as we do: all of DPDK's memory is mapped for them one to one, what it gets later
/// included. Without an IOMMU nothing is opened: a device would write wherever its firmware likes.
class pci_bus final : public bus {
  public:
    pci_bus() = default;
    ~pci_bus() override;

    core::result<std::unique_ptr<function>> open(const std::string& address) override;
    std::vector<std::string> present() override;
    core::result<std::string> normalized(const std::string& address) override;

  private:
    void track_dpdk_memory();

    dma_reach reach_;
    std::mutex opening_;
    bool following_ = false;
};

}  // namespace causeway::bdev_nvme
