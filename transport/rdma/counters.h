// SPDX-License-Identifier: Apache-2.0
// The names of RDMA's counters. JSON names are members of nvmf_get_stats, in its order, with SPDK's names.
#pragma once

#include "core/counter_registry.h"
#include "transport/rdma/accept_queue.h"
#include "transport/rdma/poll_group.h"
#include "transport/rdma/receive_pool.h"

#include <cstddef>

namespace causeway::rdma {

// The struct has a base, so offsetof is only conditionally supported. Our compilers support it, and the assertion below
// would find a counter that lies elsewhere.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
inline constexpr core::metric poll_group_rows[] = {
    {"causeway_rdma_polls_total", "polls", core::metric_kind::counter, "Polls of a completion queue.",
     offsetof(poll_group::statistics, polls)},
    {"causeway_rdma_idle_polls_total", "idle_polls", core::metric_kind::counter, "Polls that found nothing.",
     offsetof(poll_group::statistics, idle_polls)},
    {"causeway_rdma_completions_total", "completions", core::metric_kind::counter, "Work completions.",
     offsetof(poll_group::statistics, completions)},
    {"causeway_rdma_requests_total", "requests", core::metric_kind::counter, "Commands that were received.",
     offsetof(poll_group::statistics, requests)},
    {"causeway_rdma_request_latency_ticks_total", "request_latency", core::metric_kind::counter,
     "Time from the capsule until the response has gone out.", offsetof(poll_group::statistics, latencies.request),
     core::metric_unit::ticks},
    {"causeway_rdma_fetch_latency_ticks_total", "fetch_latency", core::metric_kind::counter,
     "Time from the capsule until a command has its buffer and its data.",
     offsetof(poll_group::statistics, latencies.fetch), core::metric_unit::ticks},
    {"causeway_rdma_execute_latency_ticks_total", "execute_latency", core::metric_kind::counter,
     "Time with the target and its disk.", offsetof(poll_group::statistics, latencies.execute),
     core::metric_unit::ticks},
    {"causeway_rdma_pending_free_request_total", "pending_free_request", core::metric_kind::counter,
     "Commands that had to wait for a request.", offsetof(poll_group::statistics, pending_free_request)},
    {"causeway_rdma_pending_read_total", "pending_rdma_read", core::metric_kind::counter,
     "Commands that had to wait for an RDMA READ.", offsetof(poll_group::statistics, pending_rdma_read)},
    {"causeway_rdma_pending_write_total", "pending_rdma_write", core::metric_kind::counter,
     "Commands that had to wait for an RDMA WRITE.", offsetof(poll_group::statistics, pending_rdma_write)},
    {"causeway_rdma_pending_send_total", "pending_rdma_send", core::metric_kind::counter,
     "Commands that had to wait for a SEND.", offsetof(poll_group::statistics, pending_rdma_send)},
    {"causeway_rdma_send_work_requests_total", "total_send_wrs", core::metric_kind::counter,
     "Work requests that were posted to send queues.", offsetof(poll_group::statistics, total_send_wrs)},
    {"causeway_rdma_send_doorbells_total", "send_doorbell_updates", core::metric_kind::counter,
     "Calls that posted them.", offsetof(poll_group::statistics, send_doorbell_updates)},
    {"causeway_rdma_evicting_connections_total", "", core::metric_kind::counter,
     "Connections for which others that had not sent Connect had to go.", offsetof(poll_group::statistics, evicting)},
};
#pragma GCC diagnostic pop
static_assert(core::lists_each_counter(poll_group_rows, sizeof(poll_group::statistics)));
inline constexpr core::metric_table<poll_group::statistics> poll_group_table{"transport", poll_group_rows};

inline constexpr core::metric receive_rows[] = {
    {"causeway_rdma_receive_work_requests_total", "total_recv_wrs", core::metric_kind::counter,
     "Work requests that were posted to receive queues.", offsetof(receive_pool::statistics, posted)},
    {"causeway_rdma_receive_doorbells_total", "recv_doorbell_updates", core::metric_kind::counter,
     "Calls that posted them.", offsetof(receive_pool::statistics, doorbells)},
    {"causeway_rdma_failed_receive_posts_total", "", core::metric_kind::counter,
     "Calls of these that the device refused.", offsetof(receive_pool::statistics, failed)},
};
static_assert(core::lists_each_counter(receive_rows, sizeof(receive_pool::statistics)));
inline constexpr core::metric_table<receive_pool::statistics> receive_table{"transport", receive_rows};

inline constexpr core::metric request_rows[] = {
    {"causeway_rdma_refused_requests_total", "refused_requests", core::metric_kind::counter,
     "Connection requests that were rejected because too many waited.", offsetof(request_counters, refused)},
    {"causeway_rdma_dropped_requests_total", "dropped_requests", core::metric_kind::counter,
     "Connection requests that waited and were rejected in favour of another address.",
     offsetof(request_counters, dropped)},
};
static_assert(core::lists_each_counter(request_rows, sizeof(request_counters)));
/// Not of a device, and so not among the transport's statistics by device.
inline constexpr core::metric_table<request_counters> request_table{"requests", request_rows};

}  // namespace causeway::rdma
