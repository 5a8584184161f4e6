// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/softrdma/verbs/layout.h"

#include <cstdint>
#include <infiniband/verbs.h>
#include <memory>
#include <mutex>

namespace softrdma {

class peer;

struct completion_channel : ibv_comp_channel {
    std::uint32_t place;
    std::mutex mutex;
    std::uint32_t last = 0;  ///< whose event was handed out last: the next one's turn is after it

    static completion_channel& of(ibv_comp_channel* c) noexcept { return *static_cast<completion_channel*>(c); }
};

struct completion_queue : ibv_cq {
    std::uint32_t place;
    std::atomic<unsigned> users{0};          ///< queue pairs
    std::atomic<std::uint64_t> promised{0};  ///< completions that its queues could make without being polled
    unsigned events_handed_out = 0;          ///< under ibv_cq::mutex, as comp_events_completed is
    bool overrun_reported = false;

    static completion_queue& of(ibv_cq* c) noexcept { return *static_cast<completion_queue*>(c); }
    shared_completion_queue& shared() noexcept;

    /// Throws away what a queue pair has left there.
    void purge(std::uint32_t queue_pair);
    /// A queue that makes up to `more` completions is attached.
    void promise(std::uint64_t more);
    /// On the engine's thread: a peer has lost a completion for want of room.
    void take_attention();
};

/// Adds a completion to a queue of any process, and wakes who waits for it. `solicited`: an event also for who waits
/// for those only.
void complete(peer& at, shared_completion_queue& queue, const completion& c, bool solicited);

int poll_cq(ibv_cq* cq, int most, ibv_wc* out);
int request_notification(ibv_cq* cq, int solicited_only);

}  // namespace softrdma
