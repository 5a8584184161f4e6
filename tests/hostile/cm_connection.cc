// SPDX-License-Identifier: Apache-2.0
#include "tests/hostile/cm_connection.h"

#include "nvme/rdma.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>

namespace causeway::hostile {

void fail(const std::string& what) {
    throw unexpected(fmt::format("{}: {}", what, std::strerror(errno)));
}

cm_connection::cm_connection(const endpoint& at) : patience_(at.patience) {
    try {
        resolve(at);
    } catch (...) {
        release();
        throw;
    }
}

cm_connection::~cm_connection() {
    release();
}

void cm_connection::release() {
    if (id_)
        rdma_destroy_id(id_);
    if (channel_)
        rdma_destroy_event_channel(channel_);
}

void cm_connection::resolve(const endpoint& at) {
    channel_ = rdma_create_event_channel();
    if (!channel_ || rdma_create_id(channel_, &id_, nullptr, RDMA_PS_TCP) != 0)
        fail("rdma_create_id");
    fcntl(channel_->fd, F_SETFL, fcntl(channel_->fd, F_GETFL) | O_NONBLOCK);

    addrinfo hints{};
    hints.ai_flags = AI_NUMERICHOST;
    addrinfo* found = nullptr;
    if (getaddrinfo(at.address.c_str(), std::to_string(at.port).c_str(), &hints, &found) != 0)
        throw unexpected("not an address: " + at.address);
    const int resolved = rdma_resolve_addr(id_, nullptr, found->ai_addr, 5000);
    freeaddrinfo(found);
    rdma_cm_event* e = nullptr;
    const auto expect = [&](bool asked, rdma_cm_event_type type, const char* what) {
        const bool came = asked && wait(10s, &e) == type;
        if (e)
            rdma_ack_cm_event(e);
        if (!came)
            throw unexpected(fmt::format("the {} does not resolve", what));
    };
    expect(resolved == 0, RDMA_CM_EVENT_ADDR_RESOLVED, "address");
    e = nullptr;
    expect(rdma_resolve_route(id_, 5000) == 0, RDMA_CM_EVENT_ROUTE_RESOLVED, "route");
}

std::optional<std::uint16_t> cm_connection::connect(const ask& what) {
    nvme::rdma_cm_request request{};
    request.recfmt = what.recfmt;
    request.qid = what.qid;
    request.hrqsize = what.hrqsize;
    request.hsqsize = what.hsqsize;
    request.cntlid = what.cntlid;
    rdma_conn_param p{};
    p.private_data = what.raw ? static_cast<const void*>(what.raw->data()) : &request;
    p.private_data_len = static_cast<std::uint8_t>(what.raw ? what.raw->size() : sizeof request);
    p.responder_resources = what.reads;
    p.retry_count = 7;
    p.rnr_retry_count = 7;
    if (rdma_connect(id_, &p) != 0)
        fail("rdma_connect");
    rdma_cm_event* e = nullptr;
    const auto said = wait(patience_, &e);
    if (said == RDMA_CM_EVENT_REJECTED) {
        nvme::rdma_cm_reject why{};
        if (e->param.conn.private_data && e->param.conn.private_data_len >= sizeof why)
            std::memcpy(&why, e->param.conn.private_data, sizeof why);
        rdma_ack_cm_event(e);
        return why.status.value();
    }
    if (said != RDMA_CM_EVENT_ESTABLISHED) {
        const std::string text = e ? rdma_event_str(e->event) : "nothing";
        if (e)
            rdma_ack_cm_event(e);
        throw unexpected("the connection request was answered with " + text);
    }
    if (e->param.conn.private_data && e->param.conn.private_data_len >= sizeof(nvme::rdma_cm_accept)) {
        nvme::rdma_cm_accept yes;
        std::memcpy(&yes, e->param.conn.private_data, sizeof yes);
        crqsize_ = yes.crqsize;
    }
    rdma_ack_cm_event(e);
    return std::nullopt;
}

bool cm_connection::is_over() {
    bool over = false;
    rdma_cm_event* e;
    while (rdma_get_cm_event(channel_, &e) == 0) {
        const auto type = e->event;
        rdma_ack_cm_event(e);
        if (type != RDMA_CM_EVENT_TIMEWAIT_EXIT && type != RDMA_CM_EVENT_ESTABLISHED) {
            over = true;
            rdma_disconnect(id_);
        }
    }
    return over;
}

rdma_cm_event_type cm_connection::wait(milliseconds time, rdma_cm_event** out) {
    *out = nullptr;
    pollfd p{channel_->fd, POLLIN, 0};
    if (::poll(&p, 1, static_cast<int>(time.count())) != 1 || rdma_get_cm_event(channel_, out) != 0)
        return RDMA_CM_EVENT_UNREACHABLE;
    return (*out)->event;
}

}  // namespace causeway::hostile
