#pragma once

#include "transport/tcp/tcp_transport.h"

#include <cstddef>

namespace causeway::gateway {

/// Raises this process's soft limit of descriptors (RLIMIT_NOFILE) to its hard one. How many it may have then.
std::size_t raise_descriptor_limit() noexcept;

/// What hosts' connections may have of so many descriptors: half. The others are for the management socket and its clients, the log,
/// devices, and the sockets that librados has for each storage daemon: none of them can say what it will need, and none may be out of
/// descriptors because hosts come.
tcp::connection_limits limits_of_hosts(std::size_t descriptors) noexcept;

}  // namespace causeway::gateway
