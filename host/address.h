// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/reactor_group.h"
#include "core/result.h"
#include "core/task.h"

#include <string>
#include <sys/socket.h>

namespace causeway::host {

/// Where a target listens, as people write it.
struct address {
    std::string transport = "tcp";  ///< "tcp", "rdma", "loop"
    std::string host;               ///< an IP address, or a name
    std::string service = "4420";

    /// "tcp 10.0.0.1:4420", "tcp [::1]:4420"
    std::string text() const;
    bool operator==(const address&) const = default;
};

struct socket_address {
    sockaddr_storage storage{};
    socklen_t length = 0;
    const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
};

/// Looks a name up where that may block. EHOSTUNREACH: there is no such host, or no such service.
core::task<core::result<socket_address>> resolve(const address& a);

}  // namespace causeway::host
