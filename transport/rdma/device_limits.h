// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transport/rdma/options.h"
#include "transport/rdma/wr_id.h"

#include <algorithm>
#include <cstdint>
#include <infiniband/verbs.h>
#include <string_view>

namespace causeway::rdma {

/// The limits of a device, reduced to what we use.
struct device_limits {
    std::uint32_t receives = 0;           ///< of one shared receive queue
    std::uint32_t receives_per_core = 0;  ///< of all that a core has
    std::uint32_t completions = 0;        ///< of one completion queue, to begin with
    std::uint32_t max_completions = 0;    ///< of one that has grown
    std::uint32_t send_requests = 0;      ///< of one queue pair
    std::uint32_t reads = 0;              ///< RDMA READs of one queue pair at a time
    bool send_with_invalidate = false;
    bool last_wqe_event = false;  ///< a dying queue pair says when its last receive is over
};

/// Soft-RoCE and soft-iWARP report capabilities that they do not have.
constexpr std::uint32_t rxe_vendor = 0xffffff;

inline device_limits limits_of(const ibv_device_attr& a, std::string_view name,
                               const transport_options& options) noexcept {
    const auto positive = [](int v) { return static_cast<std::uint32_t>(std::max(v, 1)); };
    const bool software = a.vendor_id == rxe_vendor || name.starts_with("rxe") || name.starts_with("siw");
    device_limits l;
    // Enough completions for 40 connections of the usual depth; with more connections the queue grows, where the device
    // can do that.
    constexpr std::uint32_t first_completions = 16384;
    l.receives = std::min({options.max_srq_depth, positive(a.max_srq_wr), slot_mask});
    l.receives_per_core = options.max_srq_depth;
    l.max_completions = positive(a.max_cqe);
    l.completions = std::min(std::max(options.num_cqe, first_completions), l.max_completions);
    l.send_requests = positive(a.max_qp_wr);
    l.reads = positive(a.max_qp_init_rd_atom);
    l.send_with_invalidate = !software && (a.device_cap_flags & IBV_DEVICE_MEM_MGT_EXTENSIONS);
    l.last_wqe_event = !software;
    return l;
}

}  // namespace causeway::rdma
