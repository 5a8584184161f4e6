// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/transport_options.h"

#include <cstdint>

namespace causeway::rdma {

/// The options of this transport, which README.md explains.
struct transport_options : nvmf::transport_options {
    /// Receives of one core on one device that may be promised to hosts. They have memory as they are used.
    std::uint32_t max_srq_depth = 131072;
    std::uint32_t num_cqe = 0;  ///< completions of a queue at first; 0: what most cores need
    std::int32_t acceptor_backlog = 100;
    std::uint32_t ack_timeout = 0;  ///< 4.096 us * 2^n; 0: librdmacm's default
};

inline constexpr nvmf::own_option_row<transport_options> own_options[] = {
    {"max_srq_depth", &transport_options::max_srq_depth,
     "RDMA: receives of a core and device that hosts may be promised, from 32; a queue takes as many as it is deep."},
    {"no_srq", nvmf::fixed_option{false, "receives are shared, with a guaranteed part for each queue pair"}},
    {"num_cqe", &transport_options::num_cqe, "RDMA: entries of a completion queue at first; 0: what most cores need."},
    {"acceptor_backlog", &transport_options::acceptor_backlog, "Connections that may wait to be accepted."},
    {"no_wr_batching", nvmf::fixed_option{false, "work requests go out together"}},
    {"ack_timeout", &transport_options::ack_timeout,
     "RDMA: how long a packet may go unacknowledged: 4.096 us times 2^n; 0: librdmacm's default."},
};

}  // namespace causeway::rdma
