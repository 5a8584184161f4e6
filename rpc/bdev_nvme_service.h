// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev_nvme/controllers.h"
#include "rpc/bdev_service.h"

namespace causeway::rpc {

/// What the methods named bdev_nvme_… work on. Control reactor; outlives every call.
struct bdev_nvme_service {
    bdev_nvme::controllers& controllers;
    core::reactor_group& group;
};

/// All of them. In a saved configuration controllers come before what is made of their devices, and hot plug last, so
/// that it does not get ahead of an attachment by name. REQUIRES: the subsystem "bdev" is there.
void add_bdev_nvme_methods(method_table& methods, saved_config& config, device_kinds& kinds,
                           bdev_nvme_service& service);
/// bdev_nvme_set_options, bdev_nvme_set_hotplug.
void add_bdev_nvme_option_methods(method_table& methods, saved_config& config, bdev_nvme_service& service);
/// What only looks: controllers, their health, their queues.
void add_bdev_nvme_report_methods(method_table& methods, bdev_nvme_service& service);

// ---- What these methods share.

/// How clients know the transport of local controllers.
inline constexpr const char* pcie = "PCIe";

inline constexpr error_case no_such_controller{-ENODEV, "there is no such NVMe controller"};

/// A controller's address as clients know it.
json transport_id(const bdev_nvme::controllers::view& v);
/// -19: there is no such controller.
tl::expected<bdev_nvme::controllers::view, rpc_error> find_controller(const bdev_nvme_service& service,
                                                                      const std::string& name);

}  // namespace causeway::rpc
