// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/cm/id.h"

#include "tests/softrdma/cm/exported.h"
#include "tests/softrdma/cm/link.h"

#include <random>

namespace softrdma::cm {

id* make_id(rdma_port_space ps, ibv_qp_type type, void* context) {
    static std::minstd_rand dice{std::random_device{}()};  // under the lock, like all here
    auto* i = new id;
    i->ps = ps;
    i->qp_type = type;
    i->context = context;
    i->own.psn = static_cast<std::uint32_t>(dice()) & 0xffffff;
    i->serial = the_library().next_serial++;
    the_library().ids.emplace(i->serial, i);
    return i;
}

bool put_on_device(id& i, int device) {
    const opened_device* const on = devices::open(device);
    if (!on)
        return false;
    if (!i.holds_pd) {
        i.pd = devices::hold_pd(device);
        if (!i.pd)
            return false;
        i.holds_pd = true;
    }
    i.verbs = on->verbs;
    i.port_num = 1;
    i.route.addr.addr.ibaddr.sgid = on->gid;
    i.route.addr.addr.ibaddr.pkey = 0xffff;
    locked l = lock_library();
    i.device = device;
    std::copy_n(on->gid.raw, i.own.gid.size(), i.own.gid.begin());
    return true;
}

namespace {

/// Destroys an id that is unreachable.
void free_id(id* i) {
    if (i->holds_pd)
        devices::drop_pd(i->device);
    if (i->synchronous)
        destroy_channel(i->events);
    delete i;
}

}  // namespace

void retire(id& i, locked& l) {
    say_goodbye(i);
    i.names.clear();
    i.knocks.clear();
    the_library().ids.erase(i.serial);
    for (cm_event* e : take_out(*i.events, i)) {
        id* const child = e->event == RDMA_CM_EVENT_CONNECT_REQUEST ? &of(e->id) : nullptr;
        delete e;
        if (!child)
            continue;
        say_goodbye(*child);
        the_library().ids.erase(child->serial);
        delete child;  // never introduced: it holds nothing of a device
    }
    // The thread that would acknowledge is in another process.
    const bool inherited = i.serial < the_library().first_own_serial;
    the_library().acknowledged.wait(l, [&] { return i.handed_out == 0 || inherited; });
    l.unlock();
    free_id(&i);
}

int complete(id& i) {
    if (!i.synchronous)
        return 0;
    if (i.event) {
        rdma_ack_cm_event(i.event);
        i.event = nullptr;
    }
    if (rdma_get_cm_event(i.channel, &i.event) != 0)
        return -1;
    const int status = i.event->status;
    if (status == 0)
        return 0;
    if (i.event->event == RDMA_CM_EVENT_REJECTED)
        return fail(ECONNREFUSED);
    return fail(status < 0 ? -status : status);
}

}  // namespace softrdma::cm

using namespace softrdma::cm;

extern "C" {

EXPORTED int rdma_create_id(rdma_event_channel* channel, rdma_cm_id** out, void* context, rdma_port_space ps) {
    if (devices::count() == 0)
        return fail(ENODEV);
    if (ps == RDMA_PS_UDP || ps == RDMA_PS_IPOIB)
        return fail(ENOSYS);
    if (ps != RDMA_PS_TCP && ps != RDMA_PS_IB)
        return fail(EINVAL);
    auto* const events = channel ? static_cast<softrdma::cm::channel*>(channel) : make_channel();
    if (!events)
        return -1;
    locked l = lock_library();
    id* const made = make_id(ps, IBV_QPT_RC, context);
    made->events = events;
    made->channel = events;
    made->synchronous = !channel;
    *out = made;
    return 0;
}

EXPORTED int rdma_destroy_id(rdma_cm_id* public_id) {
    id& i = of(public_id);
    if (i.event) {
        rdma_ack_cm_event(i.event);
        i.event = nullptr;
    }
    locked l = lock_library();
    retire(i, l);
    return 0;
}

}  // extern "C"
