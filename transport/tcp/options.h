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
    {"acceptor_backlog", &transport_options::acceptor_backlog},
    {"c2h_success", &transport_options::c2h_success},
    {"sock_priority", &transport_options::sock_priority},
};

}  // namespace causeway::tcp
