// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/device.h"
#include "bdev/registry.h"
#include "core/placement.h"
#include "rpc/device_kinds.h"
#include "rpc/params.h"
#include "rpc/saved_config.h"

#include <memory>
#include <optional>
#include <string>

namespace causeway::rpc {

/// What the methods named bdev_… work on. Control reactor; outlives every call.
struct bdev_service {
    bdev::registry& devices;
    core::placement& homes;  ///< gives disks their main threads
    device_kinds& kinds;
};

void add_bdev_info_methods(method_table& methods, bdev_service& service);
void add_bdev_iostat_methods(method_table& methods, bdev_service& service);
void add_bdev_null_methods(method_table& methods, bdev_service& service);
void add_bdev_malloc_methods(method_table& methods, bdev_service& service);
void add_bdev_error_methods(method_table& methods, bdev_service& service);
/// Limits of devices, which framework_get_config says, too. REQUIRES: the subsystem "bdev" is there.
void add_bdev_qos_methods(method_table& methods, saved_config& config, bdev_service& service);
/// What framework_get_config says of "bdev": every device of a kind that can be made again, in order of creation.
/// REQUIRES: that subsystem is there.
void add_bdev_config(saved_config& config, bdev_service& service);

/// All of them.
void add_bdev_methods(method_table& methods, saved_config& config, bdev_service& service);

// ---- What these methods share.

struct name_params {
    std::string name;
};
inline fields<name_params> name_field(std::string_view meaning) {
    return {required("name", &name_params::name, meaning)};
}
inline constexpr error_case no_such_device{-ENODEV, "there is no such device"};
inline constexpr error_case name_is_taken{-EEXIST, "there is a device of that name"};
inline constexpr std::string_view name_of_device = "the name of the device";

/// -19: there is no device of that name, or it is not a Device.
template <class Device>
tl::expected<std::shared_ptr<Device>, rpc_error> find_device(bdev_service& service, const std::string& name) {
    if (auto d = std::dynamic_pointer_cast<Device>(service.devices.find(name)))
        return d;
    return refuse_errno(ENODEV, "there is no such device", name);
}

/// Removes a device that is a Device, and waits until it is gone.
template <class Device>
core::task<answer> remove_device(bdev_service& service, name_params p) {
    const auto d = find_device<Device>(service, p.name);
    if (!d)
        co_return tl::make_unexpected(d.error());
    co_return ok_if(co_await service.devices.remove((*d)->name()));
}

json to_json(const bdev::rate_limits& l);

/// Adds a device and answers its name.
answer add_device(bdev_service& service, std::shared_ptr<bdev::device> d);

/// The parameters of null and memory devices; empty: nothing is wrong.
complaint check_identity(const std::string& name, const std::optional<bdev::uuid>& uuid);
complaint check_shape(std::uint32_t block_size, std::uint64_t num_blocks, std::uint32_t physical_block_size);

inline constexpr std::uint64_t mebibyte = 1 << 20;
inline constexpr std::uint64_t largest_size_mb = std::uint64_t{1} << 43;  ///< 8 EiB

}  // namespace causeway::rpc
