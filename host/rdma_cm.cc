// SPDX-License-Identifier: Apache-2.0
#include "host/rdma_cm.h"

#include "nvme/rdma.h"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>

namespace causeway::host {

namespace {

constexpr int resolve_ms = 5000;
constexpr std::uint8_t reads_served =
    16;  ///< RDMA READs that the target may have outstanding; devices have at least that

const char* name_of(std::uint16_t rejection) noexcept {
    switch (static_cast<nvme::rdma_cm_status>(rejection)) {
    case nvme::rdma_cm_status::invalid_private_data_length: return "invalid private data length";
    case nvme::rdma_cm_status::invalid_recfmt: return "invalid RECFMT";
    case nvme::rdma_cm_status::invalid_qid: return "invalid queue identifier";
    case nvme::rdma_cm_status::invalid_hsqsize: return "invalid HSQSIZE";
    case nvme::rdma_cm_status::invalid_hrqsize: return "invalid HRQSIZE";
    case nvme::rdma_cm_status::no_resources: return "no resources";
    case nvme::rdma_cm_status::invalid_ird: return "invalid IRD";
    case nvme::rdma_cm_status::invalid_ord: return "invalid ORD";
    case nvme::rdma_cm_status::invalid_cntlid: return "invalid controller identifier";
    }
    return "no listener at this address, or rejected without a reason";
}

}  // namespace

rdma_cm::~rdma_cm() {
    watch_.reset();
    if (id_)
        rdma_destroy_id(id_);
    if (channel_)
        rdma_destroy_event_channel(channel_);
}

void rdma_cm::take_events() {
    rdma_cm_event* e = nullptr;
    while (channel_ && rdma_get_cm_event(channel_, &e) == 0) {
        event seen{e->event, e->status, 0};
        nvme::rdma_cm_reject why{};
        if (e->event == RDMA_CM_EVENT_REJECTED && e->param.conn.private_data &&
            e->param.conn.private_data_len >= sizeof why) {
            std::memcpy(&why, e->param.conn.private_data, sizeof why);
            seen.rejection = why.status;
        }
        rdma_ack_cm_event(e);
        if (waiting_)
            std::exchange(waiting_, nullptr)->set(seen);
        else if (seen.type != RDMA_CM_EVENT_TIMEWAIT_EXIT && on_over)
            return on_over(rdma_event_str(seen.type));  // may destroy this
    }
}

/// nullopt: no event came in time.
core::task<std::optional<rdma_cm::event>> rdma_cm::next() {
    core::one_shot<std::optional<event>> came;
    waiting_ = &came;
    core::timer limit(*core::reactor::current(), [this] {
        if (waiting_)
            std::exchange(waiting_, nullptr)->set(std::nullopt);
    });
    limit.arm_after(timeout_);
    co_return co_await came;
}

core::task<core::result<>> rdma_cm::resolve(const address& to) {
    auto found = co_await host::resolve(to);
    if (!found)
        co_return tl::make_unexpected(found.error());
    channel_ = rdma_create_event_channel();
    if (!channel_ || rdma_create_id(channel_, &id_, nullptr, RDMA_PS_TCP) != 0)
        co_return core::fail(errno, fmt::format("no RDMA: {}", std::strerror(errno)), to.text());
    ::fcntl(channel_->fd, F_SETFL, ::fcntl(channel_->fd, F_GETFL) | O_NONBLOCK);
    watch_.emplace(*core::reactor::current(), channel_->fd, EPOLLIN, [this](std::uint32_t) { take_events(); });

    if (rdma_resolve_addr(id_, nullptr, reinterpret_cast<sockaddr*>(&found->storage), resolve_ms) != 0)
        co_return core::fail_errno(errno, to.text());
    auto e = co_await next();
    if (!e || e->type != RDMA_CM_EVENT_ADDR_RESOLVED)
        co_return core::fail(EHOSTUNREACH, "no RDMA device has a route to it", to.text());
    if (rdma_resolve_route(id_, resolve_ms) != 0)
        co_return core::fail_errno(errno, to.text());
    e = co_await next();
    if (!e || e->type != RDMA_CM_EVENT_ROUTE_RESOLVED)
        co_return core::fail(EHOSTUNREACH, "there is no route", to.text());
    co_return core::result<>{};
}

core::task<core::result<>> rdma_cm::connect(const queue_pair_options& o) {
    nvme::rdma_cm_request request{};
    request.qid = o.qid;
    request.hrqsize = static_cast<std::uint16_t>(o.depth + 1);
    request.hsqsize = static_cast<std::uint16_t>(o.depth);
    request.cntlid = o.qid ? o.cntlid : std::uint16_t{0};
    rdma_conn_param p{};
    p.private_data = &request;
    p.private_data_len = sizeof request;
    p.responder_resources = reads_served;
    p.retry_count = 7;
    p.rnr_retry_count = 7;
    if (rdma_connect(id_, &p) != 0)
        co_return core::fail_errno(errno);
    const auto e = co_await next();
    if (!e)
        co_return core::fail(ETIMEDOUT, "it does not respond");
    if (e->type == RDMA_CM_EVENT_REJECTED)
        co_return core::fail(ECONNREFUSED, fmt::format("Connection refused: {}", name_of(e->rejection)));
    if (e->type != RDMA_CM_EVENT_ESTABLISHED)
        co_return core::fail(EHOSTUNREACH, rdma_event_str(e->type));
    co_return core::result<>{};
}

}  // namespace causeway::host
