// SPDX-License-Identifier: Apache-2.0
// librdmacm, as far as the transport uses it, over test::fabric.

#include "transport/rdma/testing/fabric.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace causeway::rdma::test;
namespace nvme = causeway::nvme;

namespace {

fabric::fake_id& of(rdma_cm_id* id) {
    return *static_cast<fabric::fake_id*>(id);
}

void destroy(fabric::fake_id& id) {
    fabric::current().ids.erase(&id);
    fabric::current().forget(&id);
    --fabric::current().objects["id"];
    delete &id;
}

}  // namespace

extern "C" {

rdma_event_channel* rdma_create_event_channel() {
    ++fabric::current().objects["event channel"];
    return new rdma_event_channel{::dup(fabric::current().event_fd)};
}

void rdma_destroy_event_channel(rdma_event_channel* c) {
    --fabric::current().objects["event channel"];
    ::close(c->fd);
    delete c;
}

int rdma_create_id(rdma_event_channel* channel, rdma_cm_id** out, void* context, rdma_port_space) {
    auto* id = new fabric::fake_id;
    id->channel = channel;
    id->context = context;
    fabric::current().ids.insert(id);
    ++fabric::current().objects["id"];
    *out = id;
    return 0;
}

int rdma_destroy_id(rdma_cm_id* id) {
    EXPECT_EQ(id->qp, nullptr) << "an id goes before its queue pair";
    EXPECT_EQ(of(id).events_held, 0u) << "an id goes while an event of it is held: for ever";
    if (fabric::current().on_destroy_id)
        fabric::current().on_destroy_id(*id);
    std::vector<rdma_cm_id*> going{id};
    for (const fabric::fake_event* e : fabric::current().events)
        if (e->listen_id == id)  // a request that its listener has not seen
            going.push_back(e->id);
    std::erase_if(fabric::current().events, [&](fabric::fake_event* e) {
        if (std::find(going.begin(), going.end(), e->id) == going.end())
            return false;
        delete e;
        return true;
    });
    for (rdma_cm_id* each : going)
        destroy(of(each));
    return 0;
}

int rdma_set_option(rdma_cm_id*, int, int, void*, size_t) {
    return 0;
}

int rdma_bind_addr(rdma_cm_id* id, sockaddr* a) {
    char text[64];
    ::inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(a)->sin_addr, text, sizeof text);
    of(id).address = text;
    of(id).port = ntohs(reinterpret_cast<sockaddr_in*>(a)->sin_port);
    if (fabric::current().gone() || !std::string(text).starts_with("10.0.0.")) {
        errno = ENODEV;
        return -1;
    }
    for (const auto* other : fabric::current().ids) {
        if (other->listening && other->address == of(id).address && other->port == of(id).port) {
            errno = EADDRINUSE;
            return -1;
        }
    }
    id->verbs = &fabric::current().context;
    return 0;
}

int rdma_listen(rdma_cm_id* id, int) {
    of(id).listening = true;
    return 0;
}

int rdma_create_qp(rdma_cm_id* id, ibv_pd* pd, ibv_qp_init_attr* a) {
    if (fabric::current().gone() || (a->cap.max_inline_data && !fabric::current().options.inlines)) {
        errno = EINVAL;
        return -1;
    }
    auto* qp = new fake_qp;
    qp->context = pd->context;
    qp->pd = pd;
    qp->qp_context = a->qp_context;
    qp->qp_num = fabric::current().next_qp_num++;
    // Numbers come again soon.
    if (fabric::current().next_qp_num == 108)
        fabric::current().next_qp_num = 100;
    for (bool taken = true; taken;) {
        taken = false;
        for (const fake_qp* other : fabric::current().qps)
            taken = taken || other->qp_num == qp->qp_num;
        if (taken)
            ++qp->qp_num;
    }
    qp->completions = static_cast<fake_cq*>(a->send_cq);
    qp->receives = static_cast<fake_srq*>(a->srq);
    qp->capacity = a->cap.max_send_wr;
    qp->state = IBV_QPS_INIT;
    EXPECT_EQ(qp->completions->context, qp->context);
    id->qp = qp;
    fabric::current().qps.insert(qp);
    ++fabric::current().objects["qp"];
    return 0;
}

void rdma_destroy_qp(rdma_cm_id* id) {
    auto* qp = static_cast<fake_qp*>(id->qp);
    fabric::current().forget(*qp);
    id->qp = nullptr;
    --fabric::current().objects["qp"];
    delete qp;
}

int rdma_accept(rdma_cm_id* id, rdma_conn_param* p) {
    auto& qp = *static_cast<fake_qp*>(id->qp);
    host_end* h = fabric::current().end_of(id);
    if (!h || h->is != host_end::state::requesting || fabric::current().gone()) {
        errno = EINVAL;
        return -1;
    }
    qp.state = IBV_QPS_RTS;
    qp.reads_allowed = p->initiator_depth;
    qp.host = h;
    h->qp = &qp;
    h->is = host_end::state::accepted;
    nvme::rdma_cm_accept answer;
    EXPECT_EQ(p->private_data_len, sizeof answer);
    std::memcpy(&answer, p->private_data, sizeof answer);
    h->crqsize = answer.crqsize;
    EXPECT_EQ(p->rnr_retry_count, 7);
    ++fabric::current().accepted;
    if (h->says_established)
        fabric::current().push_event(of(id), RDMA_CM_EVENT_ESTABLISHED);
    return 0;
}

int rdma_reject(rdma_cm_id* id, const void* data, uint8_t length) {
    host_end* h = fabric::current().end_of(id);
    if (!h || h->is != host_end::state::requesting)
        return 0;
    h->is = host_end::state::rejected;
    nvme::rdma_cm_reject answer;
    EXPECT_EQ(length, sizeof answer);
    std::memcpy(&answer, data, sizeof answer);
    h->status = answer.status;
    return 0;
}

int rdma_disconnect(rdma_cm_id* id) {
    if (id->qp) {
        auto& qp = *static_cast<fake_qp*>(id->qp);
        fabric::current().to_error(qp);
        if (!std::exchange(qp.last_receive_said, true))
            fabric::current().push_async(IBV_EVENT_QP_LAST_WQE_REACHED, &qp);
    }
    return 0;
}

int rdma_notify(rdma_cm_id*, ibv_event_type) {
    return 0;
}

int rdma_get_cm_event(rdma_event_channel* channel, rdma_cm_event** out) {
    if (fabric::current().events.empty()) {
        std::uint64_t ignored;
        [[maybe_unused]] auto n = ::read(channel->fd, &ignored, sizeof ignored);
        errno = EAGAIN;
        return -1;
    }
    fabric::fake_event* e = fabric::current().events.front();
    fabric::current().events.pop_front();
    ++of(e->id).events_held;
    *out = e;
    return 0;
}

int rdma_ack_cm_event(rdma_cm_event* e) {
    --of(e->id).events_held;
    delete static_cast<fabric::fake_event*>(e);
    return 0;
}

const char* rdma_event_str(rdma_cm_event_type) {
    return "a connection manager event";
}

}  // extern "C"
