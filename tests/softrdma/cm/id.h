// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/softrdma/cm/channel.h"
#include "tests/softrdma/cm/devices.h"
#include "tests/softrdma/cm/engine.h"
#include "tests/softrdma/cm/library_state.h"
#include "tests/softrdma/cm/message.h"

#include <list>
#include <optional>
#include <vector>

namespace softrdma::cm {

enum class state {
    idle,
    bound,
    address_resolved,
    route_resolved,
    listening,
    request_sent,
    reply_received,    ///< the application has not yet taken it
    request_received,  ///< neither accepted nor rejected yet
    reply_sent,
    established,
    disconnect_sent,
    disconnect_received,
    time_wait,
    over,  ///< refused, given up or without its device
};

constexpr std::uint8_t default_ack_timeout = 14;  ///< 4.096 us * 2^14 = 67 ms

/// Someone who has connected to a listener and is not a request yet: it has said nothing so far, or the backlog is
/// full.
struct knock {
    watched socket;
    std::optional<message> request;
};

/// An `rdma_cm_id` as the library sees it. The public part belongs to the application and its threads; the rest is
/// under the library's lock.
struct id : rdma_cm_id {
    id() : rdma_cm_id{} {}

    std::uint64_t serial = 0;
    state at = state::idle;
    cm::channel* events = nullptr;
    bool synchronous = false;
    int handed_out = 0;  ///< events taken and not acknowledged

    int device = -1;  ///< -1: any
    bool holds_pd = false;
    bool reuse_address = false;
    bool one_family = false;
    std::uint8_t tos = 0;
    std::uint8_t ack_timeout = default_ack_timeout;
    ibv_sa_path_rec path{};

    // A listener, or one that could become one.
    std::vector<watched> names;
    std::list<knock> knocks;
    int backlog = 0;
    int untaken = 0;  ///< requests queued and not taken by the application
    std::optional<ibv_qp_init_attr> for_children;

    // A connection.
    watched link;
    message own{};                ///< request or reply that this side sends
    std::optional<message> peer;  ///< request or reply of the other side
    bool deaf = false;            ///< asked and not accepted: as with the kernel, nothing is told of it until then
    bool connect_failed = false;
    std::uint8_t responder_resources = 0;
    std::uint8_t initiator_depth = 0;
    ibv_ece ece{};
    unsigned timer = 0;  ///< counts settings: an older timer means nothing
    engine::clock::time_point give_up{};

    const sockaddr& source() const { return route.addr.src_addr; }
    const sockaddr& destination() const { return route.addr.dst_addr; }
};

inline id& of(rdma_cm_id* public_part) noexcept {
    return *static_cast<id*>(public_part);
}

/// Registers it. The library's lock is held.
id* make_id(rdma_port_space ps, ibv_qp_type type, void* context);

/// Gives the id its device, opened. False with errno. Not under the lock.
bool put_on_device(id& i, int device);

/// Says goodbye, drops what is queued for it and takes it off the books. The library's lock is held.
void retire(id& i, locked& l);

/// For a synchronous id: waits for the next event, leaves it at `id->event` and tells its status. 0 for others.
int complete(id& i);

}  // namespace softrdma::cm
