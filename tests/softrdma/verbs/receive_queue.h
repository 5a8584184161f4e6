// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/softrdma/verbs/layout.h"

#include <cstdint>
#include <optional>

// What can be done with a shared_receive_queue, by whom is said with each.

namespace softrdma {

class segment_heap;

/// Owner. False when the segment is full.
bool make_receives(shared_receive_queue& q, segment_heap& heap, std::uint32_t capacity, std::uint32_t pieces);
/// Owner. What is still posted is forgotten.
void destroy_receives(shared_receive_queue& q, segment_heap& heap);

/// Owner. 0, EINVAL or ENOMEM.
int post_receive(shared_receive_queue& q, segment& own, const ibv_recv_wr& wr, std::uint32_t pd);

/// Anyone: the oldest receive, as a slot. nullopt: receiver not ready.
std::optional<std::uint32_t> take_receive(shared_receive_queue& q, segment& in);

posted_receive& receive_at(shared_receive_queue& q, segment& in, std::uint32_t slot);

/// Whether another receive of the queue has, or had, some of the same bytes: then what they hold says nothing.
bool shares_buffer(shared_receive_queue& q, segment& in, std::uint32_t slot);

/// Owner: the slot's completion has been polled, or thrown away.
void free_receive(shared_receive_queue& q, segment& own, std::uint32_t slot);

}  // namespace softrdma
