// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/softrdma/cm/message.h"

#include <array>
#include <deque>
#include <rdma/rdma_cma.h>

namespace softrdma::cm {

struct id;

struct cm_event : rdma_cm_event {
    cm_event() : rdma_cm_event{} {}

    cm::id* counted =
        nullptr;  ///< whose destruction waits for the acknowledgement: the listener's in case of a request
    std::array<std::uint8_t, reply_data> data{};
};

/// An event channel. Its descriptor is a semaphore that counts the queue. Both change together under the library's
/// lock, so that a read never blocks there, and who polls the descriptor is never woken for an event that was dropped.
struct channel : rdma_event_channel {
    std::deque<cm_event*> queue;
    unsigned generation = 0;  ///< of the engine. A forked child shares the descriptor and must not count on it.
};

channel* make_channel();
void destroy_channel(channel* c);

/// All with the library's lock held.
void push(channel& c, cm_event* e);
cm_event* pop(channel& c);
/// Takes out those that count for the id, in order.
std::deque<cm_event*> take_out(channel& c, const id& counted);

/// Queues an event of an id, with what the other side said, padded with zeros to `data_size`.
void post(id& of, rdma_cm_event_type type, int status = 0, const message* said = nullptr, std::size_t data_size = 0);

/// A new event that is queued nowhere.
cm_event* make_event(id& of, rdma_cm_event_type type, int status, const message* said, std::size_t data_size);

}  // namespace softrdma::cm
