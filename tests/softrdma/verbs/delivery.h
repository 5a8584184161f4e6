// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/softrdma/verbs/layout.h"
#include "tests/softrdma/verbs/peer.h"

#include <infiniband/verbs.h>
#include <span>

namespace softrdma {

/// One operation as the requester's hardware puts it on the wire.
struct operation {
    const ibv_send_wr& wr;
    std::span<const iovec> local;  ///< source, or destination of an RDMA READ
    std::uint64_t length;          ///< bytes
    std::uint32_t from;            ///< our queue pair's number
    ibv_gid from_gid;
    std::uint32_t reads_in_flight;  ///< RDMA READs that may be on the wire at a time
};

/// What came back from the responder.
struct answer {
    enum outcome { done, no_answer, not_ready, refused } is;
    ibv_wc_status status = IBV_WC_SUCCESS;  ///< refused: of the requester's completion
    unsigned rnr_timer = 0;                 ///< not_ready: the responder's
};

/// Does the operation on the peer's queue pair `number`: checks, copies, completes there.
answer deliver(peer& to, std::uint32_t number, const operation& op);

}  // namespace softrdma
