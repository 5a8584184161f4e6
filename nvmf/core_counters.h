// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/counter.h"

namespace causeway::nvmf {

/// What the target has seen on one core. Written by that core, read by any thread.
struct core_counters {
    core::counter admin_qpairs, io_qpairs;                  ///< ever
    core::counter current_admin_qpairs, current_io_qpairs;  ///< now
    core::counter current_unassociated_qpairs;              ///< whose Connect runs
    core::counter pending_bdev_io;                          ///< always 0: nothing waits between here and the devices
    core::counter completed_nvme_io;
    core::counter refused_commands;  ///< answered with a status before they ran
    /// Not run, because their core stalled after they were received; in failed_commands, too.
    core::counter stale_commands;
    core::counter failed_commands;  ///< answered with another status than success after they ran
};

}  // namespace causeway::nvmf
