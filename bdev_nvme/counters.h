// SPDX-License-Identifier: Apache-2.0
// The names of what the queue pairs of a controller count.
#pragma once

#include "bdev_nvme/queue_pair.h"
#include "core/counter_registry.h"

#include <cstddef>

namespace causeway::bdev_nvme {

inline constexpr core::metric queue_rows[] = {
    {"causeway_bdev_nvme_polls_total",
     "",
     core::metric_kind::counter,
     "Polls of a queue pair, by what they found.",
     offsetof(queue_statistics, busy_polls),
     core::metric_unit::events,
     {"found", "completions"}},
    {"causeway_bdev_nvme_polls_total",
     "",
     core::metric_kind::counter,
     "Polls of a queue pair, by what they found.",
     offsetof(queue_statistics, idle_polls),
     core::metric_unit::events,
     {"found", "nothing"}},
    {"causeway_bdev_nvme_submitted_total", "", core::metric_kind::counter, "Commands that were submitted.",
     offsetof(queue_statistics, submitted)},
    {"causeway_bdev_nvme_completions_total", "", core::metric_kind::counter, "Completions of commands.",
     offsetof(queue_statistics, completions)},
    {"causeway_bdev_nvme_waited_total", "", core::metric_kind::counter, "I/Os that found no free entry in their queue.",
     offsetof(queue_statistics, waited)},
    {"causeway_bdev_nvme_bounced_total", "", core::metric_kind::counter,
     "Commands whose data was copied, because the device cannot access it.", offsetof(queue_statistics, bounced)},
    {"causeway_bdev_nvme_doorbells_total",
     "",
     core::metric_kind::counter,
     "Doorbells that were rung.",
     offsetof(queue_statistics, sq_doorbells),
     core::metric_unit::events,
     {"doorbell", "submission"}},
    {"causeway_bdev_nvme_doorbells_total",
     "",
     core::metric_kind::counter,
     "Doorbells that were rung.",
     offsetof(queue_statistics, sq_shadow_doorbells),
     core::metric_unit::events,
     {"doorbell", "submission shadow"}},
    {"causeway_bdev_nvme_doorbells_total",
     "",
     core::metric_kind::counter,
     "Doorbells that were rung.",
     offsetof(queue_statistics, cq_doorbells),
     core::metric_unit::events,
     {"doorbell", "completion"}},
    {"causeway_bdev_nvme_doorbells_total",
     "",
     core::metric_kind::counter,
     "Doorbells that were rung.",
     offsetof(queue_statistics, cq_shadow_doorbells),
     core::metric_unit::events,
     {"doorbell", "completion shadow"}},
    {"causeway_bdev_nvme_timeouts_total", "", core::metric_kind::counter,
     "Commands that were outstanding for too long.", offsetof(queue_statistics, timeouts)},
    {"causeway_bdev_nvme_violations_total", "", core::metric_kind::counter, "Completions that cannot be.",
     offsetof(queue_statistics, violations)},
};
static_assert(core::lists_each_counter(queue_rows, sizeof(queue_statistics)));
inline constexpr core::metric_table<queue_statistics> queue_table{"bdev_nvme", queue_rows};

}  // namespace causeway::bdev_nvme
