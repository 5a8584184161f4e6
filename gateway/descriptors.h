// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transport/tcp/tcp_transport.h"

#include <cstddef>

namespace causeway::gateway {

/// Raises this process's soft limit of descriptors (RLIMIT_NOFILE) to its hard one. How many it may have then.
std::size_t raise_descriptor_limit() noexcept;

/// How many descriptors host connections may use: half of `descriptors`. The others are for the management socket and
/// its clients, the log, devices, and the sockets that librados has for each storage daemon: their needs are unknown in
/// advance, and host connections must not use up their descriptors.
common::connection_limits host_connection_limits(std::size_t descriptors) noexcept;

}  // namespace causeway::gateway
