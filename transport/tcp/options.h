// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/transport_options.h"

#include <cstdint>

namespace causeway::tcp {

/// The options of this transport, which README.md explains.
struct transport_options : nvmf::transport_options {
    std::int32_t acceptor_backlog = 100;
    bool c2h_success = true;         ///< a read that succeeds may be answered by its data alone
    std::uint8_t sock_priority = 0;  ///< SO_PRIORITY
};

inline constexpr nvmf::own_option_row<transport_options> own_options[] = {
    {"acceptor_backlog", &transport_options::acceptor_backlog, "Connections that may wait to be accepted."},
    {"c2h_success", &transport_options::c2h_success,
     "TCP: a read that succeeds is answered by its data alone, where the host allows it."},
    {"sock_priority", &transport_options::sock_priority, "TCP: SO_PRIORITY of the sockets."},
};

}  // namespace causeway::tcp
