// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/pci_function.h"

#include "bdev_nvme/register_guard.h"
#include "core/dma_map_lock.h"
#include "core/log.h"

#include <array>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <mutex>
#include <rte_vfio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace causeway::bdev_nvme {

namespace {

constexpr const char* devices = "/sys/bus/pci/devices";

int numa_node_of(const std::string& address) {
    std::ifstream in(fmt::format("{}/{}/numa_node", devices, address));
    int n = -1;
    return in >> n ? n : -1;
}

}  // namespace

core::result<std::unique_ptr<pci_function>> pci_function::open(std::string address, const dma_reach& reach) {
    std::unique_ptr<pci_function> f(new pci_function(std::move(address), reach));
    f->numa_node_ = numa_node_of(f->address_);
    vfio_device_info info{};
    info.argsz = sizeof info;
    const auto set_up = [&] {
        const std::lock_guard one_at_a_time(core::dma_map_lock());  // DPDK's tables of groups have no other lock
        errno = 0;
        return ::rte_vfio_setup_device(devices, f->address_.c_str(), &f->device_, &info);
    };
    if (set_up() != 0) {
        f->device_ = -1;
        return core::fail(errno ? errno : EBUSY, "vfio does not hand it out; another process may use it", f->address_);
    }
    for (const auto step :
         {&pci_function::find_configuration, &pci_function::map_registers, &pci_function::request_removal_events})
        if (auto done = (*f.*step)(); !done)
            return tl::make_unexpected(done.error());
    return f;
}

pci_function::~pci_function() {
    if (registers_.data()) {
        unguard_registers(registers_);
        ::munmap(registers_.data(), registers_.size());
    }
    if (device_ >= 0) {
        const std::lock_guard one_at_a_time(core::dma_map_lock());  // DPDK's tables of groups have no other lock
        if (::rte_vfio_release_device(devices, address_.c_str(), device_) != 0)
            core::log::warning("{}: cannot return it to vfio", address_);
    }
}

core::result<> pci_function::find_configuration() {
    vfio_region_info r{};
    r.argsz = sizeof r;
    r.index = VFIO_PCI_CONFIG_REGION_INDEX;
    if (::ioctl(device_, VFIO_DEVICE_GET_REGION_INFO, &r) != 0)
        return core::fail_errno(errno, address_);
    configuration_ = r.offset;
    return {};
}

core::result<> pci_function::map_registers() {
    vfio_region_info r{};
    r.argsz = sizeof r;
    r.index = VFIO_PCI_BAR0_REGION_INDEX;
    if (::ioctl(device_, VFIO_DEVICE_GET_REGION_INFO, &r) != 0)
        return core::fail_errno(errno, address_);
    if (r.size == 0 || !(r.flags & VFIO_REGION_INFO_FLAG_MMAP))
        return core::fail(ENOTSUP, "its registers cannot be mapped", address_);
    void* const at = ::mmap(nullptr, r.size, PROT_READ | PROT_WRITE, MAP_SHARED, device_, static_cast<off_t>(r.offset));
    if (at == MAP_FAILED)
        return core::fail_errno(errno, address_);
    registers_ = {static_cast<std::byte*>(at), r.size};
    if (!guard_registers(registers_))
        core::log::warning("{}: too many devices are open; if this one is pulled out, the gateway may end", address_);
    return {};
}

/// Before the kernel unbinds the device from its driver it sends a request, and waits until we have released it.
core::result<> pci_function::request_removal_events() {
    request_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!request_)
        return core::fail_errno(errno, address_);
    alignas(vfio_irq_set) std::array<std::byte, sizeof(vfio_irq_set) + sizeof(int)> raw{};
    auto* const set = reinterpret_cast<vfio_irq_set*>(raw.data());
    set->argsz = raw.size();
    set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    set->index = VFIO_PCI_REQ_IRQ_INDEX;
    set->count = 1;
    const int fd = request_.get();
    std::memcpy(&set->data, &fd, sizeof fd);
    if (::ioctl(device_, VFIO_DEVICE_SET_IRQS, set) != 0)
        return core::fail_errno(errno, address_);
    return {};
}

void pci_function::on_removal(std::function<void()> f) {
    watch_.reset();
    if (f)
        watch_ = std::make_unique<core::fd_watch>(*core::reactor::current(), request_.get(), EPOLLIN,
                                                  [this, f](std::uint32_t) {
                                                      std::uint64_t times;
                                                      if (::read(request_.get(), &times, sizeof times) == sizeof times)
                                                          f();
                                                  });
}

void pci_function::start_dma() noexcept {
    if (!set_bus_master(true))  // bring-up will find that it does not answer
        core::log::warning("{}: cannot write its command register: {}", address_, std::strerror(errno));
}

bool pci_function::stop_dma() noexcept {
    if (set_bus_master(false) || ::ioctl(device_, VFIO_DEVICE_RESET) == 0)
        return true;
    core::log::warning("{}: can neither clear bus mastering nor reset it: {}", address_, std::strerror(errno));
    return false;
}

bool pci_function::set_bus_master(bool on) noexcept {
    const auto at = static_cast<off_t>(configuration_ + PCI_COMMAND);
    constexpr std::uint16_t wanted = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE;
    std::uint16_t command = 0;
    const bool known = ::pread(device_, &command, sizeof command, at) == sizeof command;
    command = static_cast<std::uint16_t>(on ? command | wanted : command & ~PCI_COMMAND_MASTER);
    return known && ::pwrite(device_, &command, sizeof command, at) == sizeof command;
}

}  // namespace causeway::bdev_nvme
