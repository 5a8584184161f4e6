// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace causeway::common {

/// How many connections there may be: over TCP of the transport, over RDMA of a device.
struct connection_limits {
    std::size_t total = 32768;  ///< over TCP each has a descriptor
    /// Of them, those whose Connect has not succeeded yet. Hosts open one for each of their queues before the first
    /// Connect: 128 at a time for a controller.
    std::size_t pending = 4096;
    std::size_t pending_per_address = 1024;
};

}  // namespace causeway::common
