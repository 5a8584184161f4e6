// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/device.h"
#include "core/counter_registry.h"

namespace causeway::bdev {

/// The names of what a device counts. Rows with the same JSON name are one number in bdev_get_iostat, in the order of
/// the rows: a compare-and-write is a write there. Rows in blocks are bytes there.
extern const core::metric_table<core_statistics> device_counters;
const core::metric& failed_operations() noexcept;
const core::metric& miscompared_operations() noexcept;

/// All that a device counts, as bdev::registry has it in the list of counters. Any thread while the device lives.
core::counter_group counters_of(const device& d);

}  // namespace causeway::bdev
