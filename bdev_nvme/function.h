// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev_nvme/dma_reach.h"

#include <cstddef>
#include <functional>
#include <span>
#include <string>

namespace causeway::bdev_nvme {

/// A PCIe function that is an NVMe controller, for our exclusive use: its registers, and the memory that it can access.
/// The only interface between driver and bus. A real one is in pci_function.h; tests have a model in memory (testing/).
///
/// Device addresses are our own virtual addresses: an IOMMU stands between.
class function {
  public:
    virtual ~function() = default;

    virtual const std::string& address() const noexcept = 0;  ///< "0000:3b:00.0"
    /// BAR 0. Read and written in aligned words of 4 or 8 bytes only, by mmio.h. After a removal it reads all ones.
    virtual std::span<std::byte> registers() const noexcept = 0;
    virtual const dma_reach& reach() const noexcept = 0;
    /// Switches the function's access to memory on or off. Once it is off, the function writes nowhere, in any state.
    /// False: it may still write; it is sure to stop only when this object is destroyed.
    virtual void start_dma() noexcept = 0;
    [[nodiscard]] virtual bool stop_dma() noexcept = 0;
    virtual int numa_node() const noexcept { return -1; }  ///< -1: not known

    /// Called once, on any thread, when the bus takes the function away: it then waits for this object's destruction.
    /// Set on the control reactor; once it is cleared there, none is called.
    virtual void on_removal(std::function<void()> f) = 0;
};

}  // namespace causeway::bdev_nvme
