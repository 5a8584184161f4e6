// SPDX-License-Identifier: Apache-2.0
#include "transport/rdma/cm_channel.h"

#include "core/log.h"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <sys/epoll.h>

namespace causeway::rdma {

core::result<std::unique_ptr<cm_channel>> cm_channel::open(core::reactor& control) {
    rdma_event_channel* channel = rdma_create_event_channel();
    if (!channel)
        return core::fail(ENODEV, std::string("this machine has no RDMA connection manager: ") + std::strerror(errno));
    if (::fcntl(channel->fd, F_SETFL, ::fcntl(channel->fd, F_GETFL) | O_NONBLOCK) < 0) {
        const int code = errno;
        rdma_destroy_event_channel(channel);
        return core::fail(code, "RDMA event channel");
    }
    return std::unique_ptr<cm_channel>(new cm_channel(control, channel));
}

cm_channel::cm_channel(core::reactor& control, rdma_event_channel* channel)
    : channel_(channel), watch_(control, channel->fd, EPOLLIN, [this](std::uint32_t) { take_events(); }) {}

cm_channel::~cm_channel() {
    rdma_destroy_event_channel(channel_);
}

void cm_channel::take_events() {
    // A storm of connections must not hold up the control reactor: the rest comes in the next turn.
    constexpr int most = 32;
    for (int i = 0; i < most; ++i) {
        rdma_cm_event* raw;
        if (rdma_get_cm_event(channel_, &raw) != 0)
            return;
        cm_event e{.type = raw->event, .status = raw->status, .id = raw->id};
        e.reads = raw->param.conn.initiator_depth;
        if (raw->param.conn.private_data) {
            e.data_size = std::min<std::size_t>(raw->param.conn.private_data_len, e.data.size());
            std::memcpy(e.data.data(), raw->param.conn.private_data, e.data_size);
        }
        auto* const owner = static_cast<cm_owner*>(raw->id->context);
        rdma_ack_cm_event(raw);
        if (owner)
            owner->on_event(e);
    }
}

}  // namespace causeway::rdma
