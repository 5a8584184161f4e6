// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/buffer_share.h"
#include "nvmf/transport.h"

#include <cstddef>
#include <cstdint>

namespace causeway::common {

/// Where a command is on its way through a connection.
///
///     free ─▶ arriving ─┬─▶ waiting_buffer ─┬─▶ waiting_fetch ─▶ fetching ─┬─▶ executing
///                       │                   └──── (to the host) ───────────┤       │
///                       └──── (no data, or it came with the capsule) ──────┘       ▼
///     free ◀────────────────────────────────────────── sending ◀───────────── waiting_send
///
/// A fabric leaves out what it has no need of. Up to `waiting_fetch` nothing of the command is on its way to or from
/// the host, so it can be aborted.
enum class step : std::uint8_t {
    free,
    arriving,        ///< its capsule is not complete yet
    deferred,        ///< waiting until its namespace's limits let it go on; the way above goes on then
    waiting_buffer,  ///< waiting for a data buffer
    waiting_fetch,   ///< waiting for its turn to fetch its data from the host
    fetching,        ///< its data is on its way from the host
    executing,       ///< the target's
    waiting_send,    ///< waiting for room to send its response
    sending,         ///< its response is being sent
};

/// One command of a queue pair, as all fabrics need it: `struct request final : common::request<request>`.
template <class Request>
struct request : nvmf::request {
    step at = step::free;
    std::uint16_t index = 0;    ///< in its queue pair
    std::byte* data = nullptr;  ///< in `buffer`, or where its fabric has room for it
    core::ticks received = 0;   ///< its capsule, whole
    core::ticks submitted = 0;  ///< to the target, its data being here

    struct buffer_claim final : core::buffer_share::claim {
        Request* owner = nullptr;
    } buffer;

    Request* before = nullptr;  ///< fifo's
    Request* after = nullptr;
};

}  // namespace causeway::common
