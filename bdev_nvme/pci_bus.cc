// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/pci_bus.h"

#include "bdev_nvme/pci_function.h"
#include "core/dma_map_lock.h"
#include "core/environment.h"
#include "nvme/pcie.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <rte_memory.h>
#include <rte_vfio.h>

namespace causeway::bdev_nvme {

namespace fs = std::filesystem;

namespace {

const fs::path sysfs = "/sys/bus/pci";
constexpr const char* our_driver = "vfio-pci";
constexpr const char* memory_callback = "causeway_nvme";

std::string word_in(const fs::path& file) {
    std::ifstream in(file);
    std::string word;
    in >> word;
    return word;
}

/// The last part of the path that a link leads to; empty if it does not exist.
std::string target_of(const fs::path& link) {
    std::error_code none;
    return fs::read_symlink(link, none).filename();
}

bool is_controller(const fs::path& device) {
    return word_in(device / "class") == fmt::format("0x{:06x}", nvme::pci_class_code);
}

/// All that can be known before it is tried, so that the reason is said in the operator's words.
core::result<> check(const std::string& address) {
    const fs::path device = sysfs / "devices" / address;
    std::error_code none;
    if (!fs::exists(device, none))
        return core::fail(ENODEV, "there is no PCI function at this address", address);
    if (!is_controller(device))
        return core::fail(ENOTSUP, "the function is not an NVMe controller", address);
    const std::string has_it = target_of(device / "driver");
    if (has_it != our_driver)
        return core::fail(
            EBUSY,
            fmt::format("{}; `deploy/causeway-bind bind {}` gives it to user space",
                        has_it.empty() ? "no driver is bound to it" : "the kernel's driver " + has_it + " has it",
                        address),
            address);
    if (target_of(device / "iommu_group").empty() || ::rte_vfio_noiommu_is_enabled() == 1)
        return core::fail(ENOTSUP, "no IOMMU protects memory from it; refusing to open it without one", address);
    if (!core::environment::running() || !::rte_vfio_is_enabled("vfio"))
        return core::fail(ENOTSUP, "vfio was not loaded when the gateway started: load vfio-pci first", address);
    return {};
}

}  // namespace

pci_bus::~pci_bus() {
    if (following_)
        ::rte_mem_event_callback_unregister(memory_callback, this);
}

/// What memory there is, and what comes and goes: vfio maps it, we note it.
void pci_bus::track_dpdk_memory() {
    if (following_)
        return;
    const auto changed = [](rte_mem_event what, const void* at, std::size_t bytes, void* self) {
        auto& reach = static_cast<pci_bus*>(self)->reach_;
        if (what == RTE_MEM_EVENT_ALLOC)
            reach.add(at, bytes);
        else
            reach.remove(at, bytes);
    };
    // Not with ordinary pages, where all memory is there from the start.
    const std::lock_guard nothing_comes_or_goes(core::dma_map_lock());
    following_ = ::rte_mem_event_callback_register(memory_callback, changed, this) == 0;
    const auto there = [](const rte_memseg_list* list, const rte_memseg* first, std::size_t bytes, void* self) {
        if (!list->external)
            static_cast<pci_bus*>(self)->reach_.add(first->addr, bytes);
        return 0;
    };
    ::rte_memseg_contig_walk(there, this);
}

core::result<std::string> pci_bus::normalized(const std::string& address) {
    unsigned domain = 0, bus = 0, device = 0, function = 0;
    int end = 0;
    const char* const text = address.c_str();
    const bool whole = std::sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &device, &function, &end) == 4;
    if (!whole) {
        domain = 0;
        if (std::sscanf(text, "%2x:%2x.%1x%n", &bus, &device, &function, &end) != 3)
            end = 0;
    }
    if (end == 0 || text[end] != '\0' || device > 0x1f || function > 7)
        return core::fail(EINVAL, "not the address of a PCI function, such as 0000:3b:00.0", address);
    return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", domain, bus, device, function);
}

core::result<std::unique_ptr<function>> pci_bus::open(const std::string& address) {
    if (auto good = check(address); !good)
        return tl::make_unexpected(good.error());
    const std::lock_guard one(opening_);
    auto f = pci_function::open(address, reach_);
    if (!f)
        return tl::make_unexpected(f.error());
    track_dpdk_memory();
    return std::move(*f);
}

std::vector<std::string> pci_bus::present() {
    std::vector<std::string> all;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(sysfs / "drivers" / our_driver, none)) {
        const std::string name = entry.path().filename();
        if (name.find(':') != std::string::npos && is_controller(entry.path()))
            all.push_back(name);
    }
    std::ranges::sort(all);
    return all;
}

}  // namespace causeway::bdev_nvme
