// SPDX-License-Identifier: Apache-2.0
// Options, and questions that are answered at once.

#include "tests/softrdma/cm/exported.h"
#include "tests/softrdma/cm/id.h"
#include "tests/softrdma/cm/names.h"

#include <arpa/inet.h>
#include <cstdlib>
#include <cstring>

using namespace softrdma::cm;

namespace {

constexpr std::uint8_t longest_ack_timeout = 31;

template <class T>
bool read(const void* value, std::size_t size, T& out) {
    if (size != sizeof out)
        return false;
    std::memcpy(&out, value, size);
    return true;
}

/// With the lock held. 0 or errno.
int set(id& i, int option, const void* value, std::size_t size) {
    int flag = 0;
    std::uint8_t byte = 0;
    switch (option) {
    case RDMA_OPTION_ID_TOS:
        if (!read(value, size, byte))
            return EINVAL;
        i.tos = byte;
        return 0;
    case RDMA_OPTION_ID_REUSEADDR:
        if (!read(value, size, flag) || i.at != state::idle)
            return EINVAL;
        i.reuse_address = flag != 0;
        return 0;
    case RDMA_OPTION_ID_AFONLY:
        if (!read(value, size, flag) || i.at != state::idle)
            return EINVAL;
        i.one_family = flag != 0;
        return 0;
    case RDMA_OPTION_ID_ACK_TIMEOUT:
        if (!read(value, size, byte) || byte > longest_ack_timeout)
            return EINVAL;
        i.ack_timeout = byte != 0 ? byte : default_ack_timeout;
        return 0;
    default: return ENOSYS;
    }
}

}  // namespace

extern "C" {

EXPORTED int rdma_set_option(rdma_cm_id* i, int level, int option, void* value, std::size_t size) {
    locked l = lock_library();
    const int code = level == RDMA_OPTION_ID ? set(of(i), option, value, size) : ENOSYS;
    return code == 0 ? 0 : fail(code);
}

EXPORTED __be16 rdma_get_src_port(rdma_cm_id* i) {
    return htons(is_ip(i->route.addr.src_addr) ? port_of(i->route.addr.src_addr) : 0);
}

EXPORTED __be16 rdma_get_dst_port(rdma_cm_id* i) {
    return htons(is_ip(i->route.addr.dst_addr) ? port_of(i->route.addr.dst_addr) : 0);
}

EXPORTED ibv_context** rdma_get_devices(int* count) {
    auto** const list =
        static_cast<ibv_context**>(std::calloc(static_cast<std::size_t>(devices::count()) + 1, sizeof(ibv_context*)));
    int n = 0;
    for (int d = 0; d < devices::count(); ++d)
        if (const opened_device* const on = devices::open(d))
            list[n++] = on->verbs;
    if (count)
        *count = n;
    return list;
}

EXPORTED void rdma_free_devices(ibv_context** list) {
    std::free(list);
}

EXPORTED const char* rdma_event_str(rdma_cm_event_type type) {
    switch (type) {
#define NAME(x)                                                                                                        \
    case x: return #x;
        NAME(RDMA_CM_EVENT_ADDR_RESOLVED)
        NAME(RDMA_CM_EVENT_ADDR_ERROR)
        NAME(RDMA_CM_EVENT_ROUTE_RESOLVED)
        NAME(RDMA_CM_EVENT_ROUTE_ERROR)
        NAME(RDMA_CM_EVENT_CONNECT_REQUEST)
        NAME(RDMA_CM_EVENT_CONNECT_RESPONSE)
        NAME(RDMA_CM_EVENT_CONNECT_ERROR)
        NAME(RDMA_CM_EVENT_UNREACHABLE)
        NAME(RDMA_CM_EVENT_REJECTED)
        NAME(RDMA_CM_EVENT_ESTABLISHED)
        NAME(RDMA_CM_EVENT_DISCONNECTED)
        NAME(RDMA_CM_EVENT_DEVICE_REMOVAL)
        NAME(RDMA_CM_EVENT_MULTICAST_JOIN)
        NAME(RDMA_CM_EVENT_MULTICAST_ERROR)
        NAME(RDMA_CM_EVENT_ADDR_CHANGE)
        NAME(RDMA_CM_EVENT_TIMEWAIT_EXIT)
#undef NAME
    }
    return "UNKNOWN EVENT";
}

EXPORTED int rdma_set_local_ece(rdma_cm_id* i, ibv_ece* ece) {
    if (!ece)
        return fail(EINVAL);
    locked l = lock_library();
    of(i).ece = *ece;
    return 0;
}

EXPORTED int rdma_get_remote_ece(rdma_cm_id* i, ibv_ece* ece) {
    if (!ece)
        return fail(EINVAL);
    locked l = lock_library();
    const std::optional<message>& peer = of(i).peer;
    *ece = {};
    if (peer) {
        ece->vendor_id = peer->ece_vendor;
        ece->options = peer->ece_options;
    }
    return 0;
}

}  // extern "C"
