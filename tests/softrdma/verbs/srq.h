// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/softrdma/verbs/layout.h"

#include <atomic>
#include <cstdint>
#include <infiniband/verbs.h>

namespace softrdma {

struct srq : ibv_srq {
    std::uint32_t place;
    std::atomic<unsigned> users{0};  ///< queue pairs

    static srq& of(ibv_srq* s) noexcept { return *static_cast<srq*>(s); }
    shared_receive_queue& shared() noexcept;
    /// On the engine's thread: fewer receives are left than the limit says.
    void take_attention();
};

int post_srq_receive(ibv_srq* srq, ibv_recv_wr* wr, ibv_recv_wr** bad);

}  // namespace softrdma
