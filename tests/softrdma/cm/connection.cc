// SPDX-License-Identifier: Apache-2.0
// Connections, from the application's side.

#include "tests/softrdma/cm/exported.h"
#include "tests/softrdma/cm/id.h"
#include "tests/softrdma/cm/link.h"
#include "tests/softrdma/cm/queue_pair.h"

#include <algorithm>
#include <cstring>

namespace softrdma::cm {

namespace {

// For a passive side whose peer has been told yes and says nothing. As long as the active side may take over a request.
constexpr auto ready_patience = std::chrono::seconds(90);
constexpr std::uint8_t max_retries = 7;

void take_data(message& m, const void* data, std::size_t size) {
    m.data_size = static_cast<std::uint16_t>(data ? size : 0);
    if (data && size != 0)
        std::memcpy(m.data.data(), data, size);
}

bool within_limits(const id& i, const rdma_conn_param* p, const opened_device& on) {
    if (!p || i.ps != RDMA_PS_TCP)
        return true;
    return (p->responder_resources == RDMA_MAX_RESP_RES || p->responder_resources <= on.max_responder_resources) &&
           (p->initiator_depth == RDMA_MAX_INIT_DEPTH || p->initiator_depth <= on.max_initiator_depth);
}

/// What both kinds of answer and the request have in common. `p` may be null.
void compose(id& i, kind what, const rdma_conn_param* p) {
    message& m = i.own;
    m.what = what;
    m.qp_type = static_cast<std::uint8_t>(i.qp_type);
    m.responder_resources = i.responder_resources;
    m.initiator_depth = i.initiator_depth;
    m.flow_control = p ? p->flow_control : 1;
    m.retry_count = p ? std::min(p->retry_count, max_retries) : max_retries;
    m.rnr_retry_count = p ? std::min(p->rnr_retry_count, max_retries) : max_retries;
    m.qpn = i.qp ? i.qp->qp_num : p ? p->qp_num : 0;
    m.srq = i.qp ? i.qp->srq != nullptr : p ? p->srq != 0 : 0;
    m.ece_vendor = i.ece.vendor_id;
    m.ece_options = i.ece.options;
    m.from = i.route.addr.src_storage;
    m.to = i.route.addr.dst_storage;
    take_data(m, p ? p->private_data : nullptr, p ? p->private_data_len : 0);
}

std::uint8_t own_or(std::uint8_t wish, std::uint8_t otherwise) {
    return wish == RDMA_MAX_RESP_RES ? otherwise : wish;
}
static_assert(RDMA_MAX_RESP_RES == RDMA_MAX_INIT_DEPTH);

int reject(id& i, std::uint16_t why, const void* data, std::size_t size) {
    if (size > reject_data)
        return fail(EINVAL);
    locked l = lock_library();
    if (i.at != state::request_received && i.at != state::reply_received)
        return fail(EINVAL);
    refuse(i.link, why, data, data ? size : 0);
    i.link.close();
    i.at = state::over;
    ++the_library().count.rejected;
    return 0;
}

}  // namespace

}  // namespace softrdma::cm

using namespace softrdma::cm;

extern "C" {

EXPORTED int rdma_connect(rdma_cm_id* public_id, rdma_conn_param* p) {
    id& i = of(public_id);
    if (p && p->private_data && p->private_data_len > request_data)
        return fail(EINVAL);
    if (!i.qp && !p)
        return fail(EINVAL);
    const opened_device* const on = devices::open(i.device);
    if (!on)
        return fail(i.device < 0 ? EINVAL : ENODEV);
    if (!within_limits(i, p, *on))
        return fail(EINVAL);
    {
        locked l = lock_library();
        if (i.at != state::route_resolved)
            return fail(i.at == state::over && devices::gone(i.device) ? ENODEV : EINVAL);
        i.responder_resources =
            p ? own_or(p->responder_resources, on->max_responder_resources) : on->max_responder_resources;
        i.initiator_depth = p ? own_or(p->initiator_depth, on->max_initiator_depth) : on->max_initiator_depth;
        compose(i, kind::request, p);
        ++the_library().count.asked;
        ask(i);
    }
    return complete(i);
}

EXPORTED int rdma_establish(rdma_cm_id* public_id) {
    id& i = of(public_id);
    if (i.qp)
        return fail(EINVAL);
    return make_ready(i) ? 0 : -1;
}

EXPORTED int rdma_accept(rdma_cm_id* public_id, rdma_conn_param* p) {
    id& i = of(public_id);
    const opened_device* const on = devices::open(i.device);
    if (!on)
        return -1;
    if (!within_limits(i, p, *on) || (p && p->private_data && p->private_data_len > reply_data))
        return fail(EINVAL);
    {
        locked l = lock_library();
        i.responder_resources =
            p ? own_or(p->responder_resources, std::min(i.responder_resources, on->max_responder_resources))
              : std::min(i.responder_resources, on->max_responder_resources);
        i.initiator_depth = p ? own_or(p->initiator_depth, std::min(i.initiator_depth, on->max_initiator_depth))
                              : std::min(i.initiator_depth, on->max_initiator_depth);
    }
    if (i.qp && !to_connected(i)) {
        const int code = errno;
        to_error(i);
        return fail(code);
    }
    bool there;
    {
        locked l = lock_library();
        there = i.at == state::request_received;
        if (there) {
            compose(i, kind::reply, p);
            i.deaf = false;
            i.at = state::reply_sent;
            ++the_library().count.accepted;
            say(i, i.own);
            set_timer(i, ready_patience);
        }
    }
    if (!there) {
        to_error(i);
        return fail(EINVAL);
    }
    return complete(i);
}

EXPORTED int rdma_reject(rdma_cm_id* i, const void* data, std::uint8_t size) {
    return reject(of(i), reason::consumer, data, size);
}

EXPORTED int rdma_reject_ece(rdma_cm_id* i, const void* data, std::uint8_t size) {
    return reject(of(i), reason::vendor_option, data, size);
}

EXPORTED int rdma_notify(rdma_cm_id* public_id, ibv_event_type event) {
    id& i = of(public_id);
    locked l = lock_library();
    if (event != IBV_EVENT_COMM_EST)
        return fail(EINVAL);
    if (i.at == state::established)
        return fail(EISCONN);
    if (i.at != state::reply_sent)
        return fail(EINVAL);
    i.at = state::established;
    ++i.timer;
    ++the_library().count.established;
    post(i, RDMA_CM_EVENT_ESTABLISHED);
    return 0;
}

EXPORTED int rdma_disconnect(rdma_cm_id* public_id) {
    id& i = of(public_id);
    to_error(i);
    bool expects_event = true;
    {
        locked l = lock_library();
        if (i.device < 0)
            return fail(EINVAL);
        switch (i.at) {
        case state::established:
            say(i, kind::disconnect);
            await_disconnected(i);
            break;
        case state::disconnect_received:
            say(i, kind::disconnected);
            enter_time_wait(i);
            break;
        default:
            // Nothing to end, and no event will come. The real library's synchronous call would wait for one for ever.
            expects_event = false;
            break;
        }
    }
    return expects_event ? complete(i) : 0;
}

}  // extern "C"
