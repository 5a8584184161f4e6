// SPDX-License-Identifier: Apache-2.0
#include "transport/rdma/listener.h"

#include "nvmf/target.h"
#include "transport/rdma/transport.h"

#include <utility>

namespace causeway::rdma {

namespace {

/// Blocks.
core::result<rdma_cm_id*> bind_and_listen(rdma_event_channel* channel, cm_owner* owner, ip::socket_address address,
                                          const nvmf::transport_address& at, int backlog) {
    rdma_cm_id* id;
    if (rdma_create_id(channel, &id, owner, RDMA_PS_TCP) != 0)
        return core::fail(errno, at.text());
    int yes = 1;
    rdma_set_option(id, RDMA_OPTION_ID, RDMA_OPTION_ID_REUSEADDR, &yes, sizeof yes);
    if (address.storage.ss_family == AF_INET6)
        rdma_set_option(id, RDMA_OPTION_ID, RDMA_OPTION_ID_AFONLY, &yes, sizeof yes);
    if (rdma_bind_addr(id, address.get()) != 0 || rdma_listen(id, backlog) != 0) {
        const int code = errno;
        rdma_destroy_id(id);
        if (code == ENODEV)
            return core::fail(code, "no RDMA device has this address", at.text());
        return core::fail(code, at.text());
    }
    return id;
}

}  // namespace

core::task<core::result<>> listener::open() {
    auto address = ip::socket_address_of(at());
    if (!address)
        co_return tl::make_unexpected(address.error());
    auto begin = [this, &address] {
        return bind_and_listen(transport_.channel(), this, *address, at(), transport_.options().acceptor_backlog);
    };
    auto id = co_await core::run_blocking(transport_.target().group(), begin);
    if (!id)
        co_return tl::make_unexpected(id.error());
    id_ = *id;
    co_return core::result<>{};
}

core::task<> listener::close() {
    rdma_cm_id* const id = std::exchange(id_, nullptr);
    if (!id)
        co_return;
    auto end = [id] { rdma_destroy_id(id); };
    co_await core::run_blocking(transport_.target().group(), end);
}

void listener::on_event(const cm_event& e) {
    switch (e.type) {
    case RDMA_CM_EVENT_CONNECT_REQUEST: transport_.connect_requested(*this, e); break;
    case RDMA_CM_EVENT_DEVICE_REMOVAL: transport_.listener_lost(*this, true); break;
    case RDMA_CM_EVENT_ADDR_CHANGE: transport_.listener_lost(*this, false); break;
    default: break;
    }
}

}  // namespace causeway::rdma
