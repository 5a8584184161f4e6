#pragma once

#include "bdev/registry.h"
#include "bdev_rbd/disks.h"
#include "core/placement.h"
#include "rpc/device_kinds.h"
#include "rpc/method.h"
#include "rpc/saved_config.h"

namespace causeway::rpc {

/// bdev_get_bdevs, bdev_get_iostat, and the devices' part of a saved configuration. All arguments of these functions
/// outlive the table's last call.
void add_bdev_methods(method_table& methods, saved_config& config, bdev::registry& devices, const device_kinds& kinds);

/// bdev_malloc_create and bdev_malloc_delete, bdev_null_create and bdev_null_delete. `homes` gives each disk in memory
/// its main thread.
void add_small_device_methods(method_table& methods, device_kinds& kinds, bdev::registry& devices,
                              core::placement& homes);

/// bdev_rbd_*: clients of Ceph clusters, and images as devices.
void add_rbd_methods(method_table& methods, saved_config& config, device_kinds& kinds, bdev_rbd::clusters& clusters,
                     bdev_rbd::disks& disks);

}  // namespace causeway::rpc
