// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "host/tcp_connector.h"

#include <string_view>

namespace causeway::host {

/// Encrypted connections of this host to this subsystem. `key`: the PSK that both have, in its interchange format.
/// EINVAL: it is none. Opening one ends with ETIMEDOUT, or EKEYREJECTED where the target has another key, or none, or
/// no TLS.
core::result<tcp_connector::stream_maker> tls_streams(std::string_view key, std::string_view hostnqn,
                                                      std::string_view subnqn, core::nanoseconds timeout);

}  // namespace causeway::host
