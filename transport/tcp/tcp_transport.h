// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "nvmf/transport.h"
#include "transport/tcp/options.h"

#include <cstddef>
#include <memory>

namespace causeway {

namespace tcp {

/// How many connections there may be, of one transport.
struct connection_limits {
    std::size_t total = 32768;  ///< each has a descriptor
    /// Of them, those whose Connect has not succeeded yet. Hosts open one for each of their queues before the first
    /// Connect: 128 at a time for a controller.
    std::size_t pending = 4096;
    std::size_t pending_per_address = 1024;
};

}  // namespace tcp

/// The TCP fabric. EINVAL: options that do not go together.
core::result<std::unique_ptr<nvmf::transport>> make_tcp_transport(nvmf::target& target, tcp::transport_options options,
                                                                  const tcp::connection_limits& limits = {});
nvmf::transport_kind tcp_transport_kind(const tcp::connection_limits& limits);

}  // namespace causeway
