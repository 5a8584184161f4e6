// SPDX-License-Identifier: Apache-2.0
// Addresses and routes: what an id does before it listens or connects.

#include "tests/softrdma/cm/exported.h"
#include "tests/softrdma/cm/id.h"
#include "tests/softrdma/cm/link.h"
#include "tests/softrdma/cm/names.h"

#include <unistd.h>

namespace softrdma::cm {

namespace {

constexpr int max_backlog = 1024;
constexpr int max_port_tries = 1000;

/// The names that a listener at this address answers to. One at `::` also speaks IPv4 unless told not to.
std::vector<sockaddr_storage> names_of(const id& i) {
    std::vector<sockaddr_storage> names{copy_of(i.source())};
    if (i.source().sa_family == AF_INET6 && is_any(i.source()) && !i.one_family) {
        names.push_back(any_of(AF_INET));
        set_port(reinterpret_cast<sockaddr&>(names.back()), port_of(i.source()));
    }
    return names;
}

/// With the lock held. 0 or errno.
int hold_names(id& i) {
    for (const sockaddr_storage& name : names_of(i)) {
        const int fd = hold_name(i.ps, reinterpret_cast<const sockaddr&>(name));
        if (fd < 0) {
            const int code = errno;
            i.names.clear();
            return code;
        }
        i.names.emplace_back(fd);
    }
    return 0;
}

/// With the lock held. 0 or errno.
int hold_any_port(id& i) {
    int code = EADDRNOTAVAIL;
    for (int n = 0; n < max_port_tries; ++n) {
        set_port(i.route.addr.src_addr, ephemeral_port());
        code = hold_names(i);
        if (code != EADDRINUSE)
            break;
    }
    return code;
}

/// 0 or errno.
int bind(id& i, const sockaddr& at) {
    if (!is_ip(at))
        return EAFNOSUPPORT;
    {
        locked l = lock_library();
        if (i.at != state::idle)
            return EINVAL;
    }
    if (!is_any(at)) {
        const int device = devices::of(at);
        if (device < 0)
            return ENODEV;
        if (!put_on_device(i, device))
            return errno;
    }
    locked l = lock_library();
    i.route.addr.src_storage = copy_of(at);
    int code = 0;
    if (port_of(at) == 0)
        code = hold_any_port(i);
    else if (!i.reuse_address)  // else others may hold it as well, as long as they do not listen
        code = hold_names(i);
    if (code == 0)
        i.at = state::bound;
    else
        i.route.addr.src_storage = {};
    return code;
}

/// The source address of an id that has named none: loopback, the only network there is.
bool choose_source(id& i, int family) {
    const bool named = i.source().sa_family != 0 && !is_any(i.source());
    const std::uint16_t port = i.source().sa_family != 0 ? port_of(i.source()) : ephemeral_port();
    sockaddr_storage source = named ? copy_of(i.source()) : loopback_of(family);
    auto& address = reinterpret_cast<sockaddr&>(source);
    set_port(address, port);
    const int device = devices::of(address);
    if (device < 0 || !put_on_device(i, device))
        return false;
    i.route.addr.src_storage = source;
    return true;
}

bool is_at(id& i, state s) {
    locked l = lock_library();
    return i.at == s;
}

void tell(id& i, state next, rdma_cm_event_type type) {
    locked l = lock_library();
    i.at = next;
    post(i, type);
}

}  // namespace

}  // namespace softrdma::cm

using namespace softrdma::cm;

extern "C" {

EXPORTED int rdma_bind_addr(rdma_cm_id* i, sockaddr* at) {
    if (!at)
        return fail(EINVAL);
    const int code = bind(of(i), *at);
    return code == 0 ? 0 : fail(code);
}

EXPORTED int rdma_resolve_addr(rdma_cm_id* public_id, sockaddr* from, sockaddr* to, int) {
    id& i = of(public_id);
    if (!to || !is_ip(*to))
        return fail(EINVAL);
    if (from && from->sa_family != 0 && is_at(i, state::idle)) {
        const int code = bind(i, *from);
        if (code != 0)
            return fail(code);
    }
    {
        locked l = lock_library();
        if (i.at != state::idle && i.at != state::bound)
            return fail(EINVAL);
    }
    i.route.addr.dst_storage = copy_of(*to);
    // To any address means to this machine, as with a socket.
    if (is_any(*to)) {
        i.route.addr.dst_storage = loopback_of(to->sa_family);
        set_port(i.route.addr.dst_addr, port_of(*to));
    }
    if (devices::of(i.destination()) < 0 || !choose_source(i, to->sa_family)) {
        locked l = lock_library();
        post(i, RDMA_CM_EVENT_ADDR_ERROR, -ENODEV);
    } else {
        tell(i, state::address_resolved, RDMA_CM_EVENT_ADDR_RESOLVED);
    }
    return complete(i);
}

EXPORTED int rdma_resolve_route(rdma_cm_id* public_id, int) {
    id& i = of(public_id);
    if (!is_at(i, state::address_resolved))
        return fail(EINVAL);
    i.path = {};
    i.path.sgid = i.route.addr.addr.ibaddr.sgid;
    i.path.pkey = i.route.addr.addr.ibaddr.pkey;
    i.path.mtu = IBV_MTU_4096;
    i.path.reversible = 1;
    i.path.numb_path = 1;
    i.route.path_rec = &i.path;
    i.route.num_paths = 1;
    tell(i, state::route_resolved, RDMA_CM_EVENT_ROUTE_RESOLVED);
    return complete(i);
}

EXPORTED int rdma_listen(rdma_cm_id* public_id, int backlog) {
    id& i = of(public_id);
    if (is_at(i, state::idle)) {
        const sockaddr_storage any = any_of(AF_INET);
        const int code = bind(i, reinterpret_cast<const sockaddr&>(any));
        if (code != 0)
            return fail(code);
    }
    locked l = lock_library();
    if (i.at != state::bound)
        return fail(i.device >= 0 && devices::gone(i.device) ? ENODEV : EINVAL);
    if (i.names.empty())
        if (const int code = hold_names(i); code != 0)
            return fail(code);
    i.backlog = backlog > 0 && backlog < max_backlog ? backlog : max_backlog;
    if (!open_door(i))
        return -1;
    i.at = state::listening;
    return 0;
}

}  // extern "C"
