// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/cm/channel.h"

#include "tests/softrdma/cm/exported.h"
#include "tests/softrdma/cm/id.h"
#include "tests/softrdma/cm/link.h"
#include "tests/softrdma/cm/queue_pair.h"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace softrdma::cm {

channel* make_channel() {
    const int fd = ::eventfd(0, EFD_SEMAPHORE | EFD_CLOEXEC);
    if (fd < 0)
        return nullptr;
    auto* c = new channel;
    c->fd = fd;
    c->generation = the_library().background.generation();
    return c;
}

void destroy_channel(channel* c) {
    ::close(c->fd);
    for (cm_event* e : c->queue)
        delete e;
    delete c;
}

void push(channel& c, cm_event* e) {
    c.queue.push_back(e);
    if (c.generation == the_library().background.generation())
        ::eventfd_write(c.fd, 1);
}

cm_event* pop(channel& c) {
    cm_event* const e = c.queue.front();
    c.queue.pop_front();
    eventfd_t one;
    if (c.generation == the_library().background.generation())
        ::eventfd_read(c.fd, &one);
    return e;
}

std::deque<cm_event*> take_out(channel& c, const id& counted) {
    std::deque<cm_event*> out;
    for (std::size_t n = c.queue.size(); n > 0; --n) {
        cm_event* const e = pop(c);
        if (e->counted == &counted)
            out.push_back(e);
        else
            push(c, e);
    }
    return out;
}

cm_event* make_event(id& of, rdma_cm_event_type type, int status, const message* said, std::size_t data_size) {
    auto* e = new cm_event;
    e->id = &of;
    e->event = type;
    e->status = status;
    e->counted = &of;
    if (!said)
        return e;
    rdma_conn_param& p = e->param.conn;
    e->data = said->data;
    p.private_data = e->data.data();
    p.private_data_len = static_cast<std::uint8_t>(data_size);
    if (said->what == kind::reject)
        return e;
    // What one side initiates the other answers.
    p.responder_resources = said->initiator_depth;
    p.initiator_depth = said->responder_resources;
    p.flow_control = said->flow_control;
    p.retry_count = said->what == kind::request ? said->retry_count : 0;
    p.rnr_retry_count = said->rnr_retry_count;
    p.srq = said->srq;
    p.qp_num = said->qpn;
    return e;
}

void post(id& of, rdma_cm_event_type type, int status, const message* said, std::size_t data_size) {
    if (!of.deaf)
        push(*of.events, make_event(of, type, status, said, data_size));
}

namespace {

bool blocks(const channel& c) {
    return (::fcntl(c.fd, F_GETFL) & O_NONBLOCK) == 0;
}

/// Null with errno.
cm_event* wait_for_event(channel& c) {
    for (;;) {
        {
            locked l = lock_library();
            if (!c.queue.empty()) {
                cm_event* const e = pop(c);
                ++e->counted->handed_out;
                if (e->event == RDMA_CM_EVENT_CONNECT_REQUEST)
                    request_taken(*e->counted);
                return e;
            }
        }
        if (!blocks(c)) {
            errno = EAGAIN;
            return nullptr;
        }
        pollfd p{c.fd, POLLIN, 0};
        if (::poll(&p, 1, -1) < 0)
            return nullptr;
    }
}

void give_back(cm_event* e) {
    locked l = lock_library();
    if (--e->counted->handed_out == 0)
        the_library().acknowledged.notify_all();
    delete e;
}

/// The application knows that the connection has failed.
bool told_already(id& i) {
    locked l = lock_library();
    return i.connect_failed;
}

/// The part of an event's work that needs the device and so is done in the application's thread. False: the event is
/// not for the application.
bool finish(cm_event& e, channel& taken_from) {
    id& i = of(e.id);
    switch (e.event) {
    case RDMA_CM_EVENT_CONNECT_REQUEST: return introduce(i, of(e.listen_id), taken_from);
    case RDMA_CM_EVENT_CONNECT_RESPONSE:
        if (!i.qp)
            return true;
        if (to_connected(i) && make_ready(i)) {
            e.event = RDMA_CM_EVENT_ESTABLISHED;
        } else {
            e.event = RDMA_CM_EVENT_CONNECT_ERROR;
            e.status = -errno;
            to_error(i);
            locked l = lock_library();
            i.connect_failed = true;
        }
        return true;
    case RDMA_CM_EVENT_REJECTED:
        if (told_already(i))
            return false;
        to_error(i);
        return true;
    case RDMA_CM_EVENT_DISCONNECTED: return !told_already(i);
    default: return true;
    }
}

}  // namespace

}  // namespace softrdma::cm

using namespace softrdma::cm;

extern "C" {

EXPORTED rdma_event_channel* rdma_create_event_channel() {
    if (devices::count() == 0) {
        errno = ENODEV;
        return nullptr;
    }
    return make_channel();
}

EXPORTED void rdma_destroy_event_channel(rdma_event_channel* c) {
    destroy_channel(static_cast<channel*>(c));
}

EXPORTED int rdma_get_cm_event(rdma_event_channel* c, rdma_cm_event** out) {
    if (!c || !out)
        return fail(EINVAL);
    auto& from = *static_cast<channel*>(c);
    for (;;) {
        cm_event* const e = wait_for_event(from);
        if (!e)
            return -1;
        if (finish(*e, from)) {
            *out = e;
            return 0;
        }
        give_back(e);
    }
}

EXPORTED int rdma_ack_cm_event(rdma_cm_event* e) {
    if (!e)
        return fail(EINVAL);
    give_back(static_cast<cm_event*>(e));
    return 0;
}

EXPORTED int rdma_migrate_id(rdma_cm_id* public_id, rdma_event_channel* to) {
    id& i = of(public_id);
    auto* const target = to ? static_cast<channel*>(to) : make_channel();
    if (!target)
        return -1;
    if (i.synchronous && i.event) {
        rdma_ack_cm_event(i.event);
        i.event = nullptr;
    }
    locked l = lock_library();
    channel* const source = i.events;
    for (cm_event* e : take_out(*source, i))
        push(*target, e);
    const bool was_own = i.synchronous;
    i.events = target;
    i.channel = target;
    i.synchronous = !to;
    // Nobody handles an event of the old channel once this returns.
    the_library().acknowledged.wait(l, [&] { return i.handed_out == 0; });
    l.unlock();
    if (was_own)
        destroy_channel(source);
    return 0;
}

}  // extern "C"
