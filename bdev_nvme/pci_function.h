// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev_nvme/function.h"
#include "core/reactor.h"
#include "core/result.h"
#include "core/unique_fd.h"

#include <cstdint>
#include <memory>
#include <string>

namespace causeway::bdev_nvme {

/// A PCIe function that vfio-pci has, opened: its registers mapped, its way to memory by the IOMMU alone. DPDK's vfio
/// keeps the groups and maps all of DPDK's memory for them.
///
/// Opened and destroyed where blocking is allowed: the kernel resets the device at both.
class pci_function final : public function {
  public:
    /// `address`: as sysfs has it. `reach`: what is mapped; outlives it. EBUSY (another process has it), and the
    /// kernel's errors.
    static core::result<std::unique_ptr<pci_function>> open(std::string address, const dma_reach& reach);
    ~pci_function() override;

    const std::string& address() const noexcept override { return address_; }
    std::span<std::byte> registers() const noexcept override { return registers_; }
    const dma_reach& reach() const noexcept override { return reach_; }
    int numa_node() const noexcept override { return numa_node_; }
    void start_dma() noexcept override;
    bool stop_dma() noexcept override;
    void on_removal(std::function<void()> f) override;

  private:
    pci_function(std::string address, const dma_reach& reach) : address_(std::move(address)), reach_(reach) {}
    core::result<> map_registers();
    core::result<> find_configuration();
    core::result<> request_removal_events();
    bool set_bus_master(bool on) noexcept;

    const std::string address_;
    const dma_reach& reach_;
    int numa_node_ = -1;
    int device_ = -1;                  ///< vfio's descriptor
    core::unique_fd request_;          ///< an eventfd: the kernel wants the device back
    std::uint64_t configuration_ = 0;  ///< where in `device_` the configuration space begins
    std::span<std::byte> registers_;
    std::unique_ptr<core::fd_watch> watch_;
};

}  // namespace causeway::bdev_nvme
