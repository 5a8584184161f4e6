// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "nvmf/transport.h"
#include "transport/common/connection_limits.h"
#include "transport/tcp/options.h"

#include <memory>

namespace causeway {

/// The TCP fabric. EINVAL: options that do not go together.
core::result<std::unique_ptr<nvmf::transport>> make_tcp_transport(nvmf::target& target, tcp::transport_options options,
                                                                  const common::connection_limits& limits = {});
nvmf::transport_kind tcp_transport_kind(const common::connection_limits& limits);

}  // namespace causeway
