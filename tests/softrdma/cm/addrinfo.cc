// SPDX-License-Identifier: Apache-2.0
// rdma_getaddrinfo: the system's own, in the words of this interface. Routes are not looked for: there is one network.

#include "tests/softrdma/cm/exported.h"
#include "tests/softrdma/cm/library_state.h"
#include "tests/softrdma/cm/names.h"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <netdb.h>

using namespace softrdma::cm;

namespace {

sockaddr* duplicate(const sockaddr* a, socklen_t size) {
    auto* copy = static_cast<sockaddr*>(std::calloc(1, sizeof(sockaddr_storage)));
    std::memcpy(copy, a, size);
    return copy;
}

/// 0 or a code of getaddrinfo's. `out` stays null if neither name nor service is given.
int look_up(const char* node, const char* service, const rdma_addrinfo& hints, addrinfo*& out) {
    out = nullptr;
    if (!node && !service)
        return 0;
    addrinfo h{};
    h.ai_socktype = SOCK_STREAM;
    if (hints.ai_flags & RAI_PASSIVE)
        h.ai_flags |= AI_PASSIVE;
    if (hints.ai_flags & RAI_NUMERICHOST)
        h.ai_flags |= AI_NUMERICHOST;
    h.ai_family = hints.ai_flags & RAI_FAMILY || hints.ai_family != 0 ? hints.ai_family : AF_UNSPEC;
    return ::getaddrinfo(node, service, &h, &out);
}

}  // namespace

extern "C" {

EXPORTED int rdma_getaddrinfo(const char* node, const char* service, const rdma_addrinfo* wish, rdma_addrinfo** out) {
    static constexpr rdma_addrinfo none{};
    const rdma_addrinfo& hints = wish ? *wish : none;
    const bool passive = hints.ai_flags & RAI_PASSIVE;
    if (!node && !service && !hints.ai_src_addr && !hints.ai_dst_addr)
        return fail(EINVAL);
    addrinfo* found;
    if (const int code = look_up(node, service, hints, found); code != 0)
        return code;

    auto* r = static_cast<rdma_addrinfo*>(std::calloc(1, sizeof(rdma_addrinfo)));
    r->ai_flags = hints.ai_flags;
    r->ai_port_space = hints.ai_port_space != 0 ? hints.ai_port_space : RDMA_PS_TCP;
    r->ai_qp_type = hints.ai_qp_type != 0 ? hints.ai_qp_type : IBV_QPT_RC;
    if (found) {
        (passive ? r->ai_src_addr : r->ai_dst_addr) = duplicate(found->ai_addr, found->ai_addrlen);
        (passive ? r->ai_src_len : r->ai_dst_len) = found->ai_addrlen;
        ::freeaddrinfo(found);
    }
    if (!r->ai_src_addr && hints.ai_src_addr) {
        r->ai_src_addr = duplicate(hints.ai_src_addr, hints.ai_src_len);
        r->ai_src_len = hints.ai_src_len;
    }
    if (!r->ai_dst_addr && hints.ai_dst_addr) {
        r->ai_dst_addr = duplicate(hints.ai_dst_addr, hints.ai_dst_len);
        r->ai_dst_len = hints.ai_dst_len;
    }
    const sockaddr* const known = r->ai_dst_addr ? r->ai_dst_addr : r->ai_src_addr;
    r->ai_family = known->sa_family;
    *out = r;
    return 0;
}

EXPORTED void rdma_freeaddrinfo(rdma_addrinfo* r) {
    while (r) {
        rdma_addrinfo* const next = r->ai_next;
        std::free(r->ai_src_addr);
        std::free(r->ai_dst_addr);
        std::free(r);
        r = next;
    }
}

}  // extern "C"
