// SPDX-License-Identifier: Apache-2.0
// The names of TCP's counters. JSON names are members of nvmf_get_stats, in its order.
#pragma once

#include "core/counter_registry.h"
#include "transport/tcp/acceptor.h"
#include "transport/tcp/poll_group.h"

#include <cstddef>

namespace causeway::tcp {

inline constexpr core::metric handshake_rows[] = {
    {"causeway_tcp_accepted_total", "accepted", core::metric_kind::counter, "Sockets that were accepted.",
     offsetof(handshake_statistics, accepted)},
    {"causeway_tcp_handshakes_refused_total", "handshakes_refused", core::metric_kind::counter,
     "Connections whose first PDU violated the protocol.", offsetof(handshake_statistics, refused)},
    {"causeway_tcp_handshakes_timed_out_total", "handshakes_timed_out", core::metric_kind::counter,
     "Handshakes that took too long.", offsetof(handshake_statistics, timed_out)},
    {"causeway_tcp_handshakes_lost_total", "handshakes_lost", core::metric_kind::counter,
     "Connections that ended during their handshake.", offsetof(handshake_statistics, lost)},
    {"causeway_tcp_evicting_total", "evicting", core::metric_kind::counter,
     "Sockets for which the oldest connection without a Connect was closed.", offsetof(handshake_statistics, evicting)},
    {"causeway_tcp_no_memory_total", "no_memory", core::metric_kind::counter,
     "Connections that were closed for want of memory.", offsetof(handshake_statistics, no_memory)},
    {"causeway_tcp_accept_pauses_total", "accept_pauses", core::metric_kind::counter,
     "Pauses of accepting, for want of places or descriptors.", offsetof(handshake_statistics, pauses)},
};
static_assert(core::lists_each_counter(handshake_rows, sizeof(handshake_statistics)));
inline constexpr core::metric_table<handshake_statistics> handshake_table{"transport", handshake_rows};

// The struct has a base, so offsetof is only conditionally supported. Our compilers support it, and the assertion below
// would find a counter that lies elsewhere.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
inline constexpr core::metric poll_group_rows[] = {
    {"causeway_tcp_polls_total", "polls", core::metric_kind::counter, "Polls of the connections of a core.",
     offsetof(poll_group::statistics, polls)},
    {"causeway_tcp_idle_polls_total", "idle_polls", core::metric_kind::counter, "Polls that found nothing.",
     offsetof(poll_group::statistics, idle_polls)},
    {"causeway_tcp_requests_total", "requests", core::metric_kind::counter, "Commands that were received.",
     offsetof(poll_group::statistics, requests)},
    {"causeway_tcp_receives_total", "receives", core::metric_kind::counter, "System calls that received something.",
     offsetof(poll_group::statistics, receives)},
    {"causeway_tcp_sends_total", "sends", core::metric_kind::counter, "System calls that sent.",
     offsetof(poll_group::statistics, sends)},
    {"causeway_tcp_blocked_sends_total", "blocked_sends", core::metric_kind::counter,
     "Sends that the network did not take whole.", offsetof(poll_group::statistics, blocked)},
    {"causeway_tcp_violations_total", "violations", core::metric_kind::counter,
     "Connections that were closed for a violation of the protocol.", offsetof(poll_group::statistics, violations)},
    {"causeway_tcp_request_latency_ticks_total", "request_latency", core::metric_kind::counter,
     "Time from the capsule until the response has gone out.", offsetof(poll_group::statistics, latencies.request),
     core::metric_unit::ticks},
    {"causeway_tcp_fetch_latency_ticks_total", "fetch_latency", core::metric_kind::counter,
     "Time from the capsule until a command has its buffer and its data.",
     offsetof(poll_group::statistics, latencies.fetch), core::metric_unit::ticks},
    {"causeway_tcp_execute_latency_ticks_total", "execute_latency", core::metric_kind::counter,
     "Time with the target and its disk.", offsetof(poll_group::statistics, latencies.execute),
     core::metric_unit::ticks},
};
#pragma GCC diagnostic pop
static_assert(core::lists_each_counter(poll_group_rows, sizeof(poll_group::statistics)));
inline constexpr core::metric_table<poll_group::statistics> poll_group_table{"transport", poll_group_rows};

}  // namespace causeway::tcp
