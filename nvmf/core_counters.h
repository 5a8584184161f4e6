// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/counter_registry.h"

#include <cstddef>

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
    core::counter authentications;          ///< in band, that have succeeded
    core::counter failed_authentications;   ///< or did not end in time
    core::counter refused_authentications;  ///< too many of their address waited; in failed_authentications, too
    core::counter throttled_commands;       ///< waited because their namespace had used up a limit
    core::counter failed_commands;          ///< answered with another status than success after they ran
};

/// JSON names are members of nvmf_get_stats, in its order.
inline constexpr core::metric core_counter_rows[] = {
    {"causeway_nvmf_admin_qpairs_total", "admin_qpairs", core::metric_kind::counter, "Admin queues that connected.",
     offsetof(core_counters, admin_qpairs)},
    {"causeway_nvmf_io_qpairs_total", "io_qpairs", core::metric_kind::counter, "I/O queues that connected.",
     offsetof(core_counters, io_qpairs)},
    {"causeway_nvmf_current_admin_qpairs", "current_admin_qpairs", core::metric_kind::gauge,
     "Admin queues that are connected.", offsetof(core_counters, current_admin_qpairs)},
    {"causeway_nvmf_current_io_qpairs", "current_io_qpairs", core::metric_kind::gauge, "I/O queues that are connected.",
     offsetof(core_counters, current_io_qpairs)},
    {"causeway_nvmf_current_unassociated_qpairs", "current_unassociated_qpairs", core::metric_kind::gauge,
     "Queues whose Connect is being executed.", offsetof(core_counters, current_unassociated_qpairs)},
    {"causeway_nvmf_stale_commands_total", "stale_commands", core::metric_kind::counter,
     "Commands that were not executed, because their core stalled after they were received.",
     offsetof(core_counters, stale_commands)},
    {"causeway_nvmf_throttled_commands_total", "throttled_commands", core::metric_kind::counter,
     "Commands that waited because their namespace had used up a limit.", offsetof(core_counters, throttled_commands)},
    {"causeway_nvmf_pending_bdev_io", "pending_bdev_io", core::metric_kind::gauge,
     "I/O that waits between the target and the devices.", offsetof(core_counters, pending_bdev_io)},
    {"causeway_nvmf_completed_io_total", "completed_nvme_io", core::metric_kind::counter,
     "I/O commands that were completed.", offsetof(core_counters, completed_nvme_io)},
    {"causeway_nvmf_authentications_total", "", core::metric_kind::counter,
     "Authentications of queues that have succeeded.", offsetof(core_counters, authentications)},
    {"causeway_nvmf_failed_authentications_total", "", core::metric_kind::counter,
     "Authentications of queues that have failed.", offsetof(core_counters, failed_authentications)},
    {"causeway_nvmf_refused_authentications_total", "", core::metric_kind::counter,
     "Authentications that failed because too many of hosts at the same address waited.",
     offsetof(core_counters, refused_authentications)},
    {"causeway_nvmf_refused_commands_total", "", core::metric_kind::counter,
     "Commands that were refused before they were executed.", offsetof(core_counters, refused_commands)},
    {"causeway_nvmf_failed_commands_total", "", core::metric_kind::counter,
     "Commands that were completed with another status than success after they were executed.",
     offsetof(core_counters, failed_commands)},
};
static_assert(core::lists_each_counter(core_counter_rows, sizeof(core_counters)));
inline constexpr core::metric_table<core_counters> core_counter_table{"nvmf", core_counter_rows};

}  // namespace causeway::nvmf
