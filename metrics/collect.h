// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/registry.h"
#include "bdev_rbd/disks.h"
#include "metrics/families.h"
#include "nvmf/target.h"

#include <functional>
#include <memory>
#include <string>

namespace causeway::metrics {

/// What is read. Control reactor; outlives every collection.
struct sources {
    bdev::registry& devices;
    std::function<const bdev_rbd::disk_params*(const bdev::device&)> image_of;  ///< nullptr: no RBD image
    const std::unique_ptr<nvmf::target>& target;                                ///< nullptr before the start
    std::string host_name;
    /// How many calls of the configuration have failed and are tried again, and whether the rest is stored.
    std::function<std::size_t()> failed_calls;
    std::function<bool()> configuration_is_stored;
};

/// Every metric of the gateway, as it is now: those of the list of counters, and, under the names that ceph-nvmeof's
/// exporter gives them, images, subsystems, hosts and reactors. In slices, on the control reactor.
core::task<std::vector<prometheus::MetricFamily>> collect(const sources& from);

}  // namespace causeway::metrics
