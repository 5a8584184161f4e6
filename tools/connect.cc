// SPDX-License-Identifier: Apache-2.0
#include "tools/connect.h"

#include "host/identity.h"
#include "host/rdma_queue_pair.h"
#include "host/tcp_connector.h"

namespace causeway::tools {

std::unique_ptr<host::connector> make_connector(const host::address& to, const target_options& o) {
    if (to.transport == "rdma")
        return std::make_unique<host::rdma_connector>(to);
    return std::make_unique<host::tcp_connector>(to, o.tcp, o.make_stream);
}

host::controller_options controller_options_of(const target_options& o) {
    auto self = o.hostnqn.empty() ? host::own_identity() : host::identity_of(o.hostnqn);
    return {.subnqn = o.subnqn,
            .hostnqn = std::move(self.hostnqn),
            .hostid = self.hostid,
            .io_reactors = {},
            .kato_ms = o.kato_ms,
            .dhchap = o.dhchap};
}

}  // namespace causeway::tools
