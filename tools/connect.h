// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "host/controller.h"
#include "tools/perf_options.h"

#include <memory>

namespace causeway::tools {

/// Makes the connector for one of the addresses. REQUIRES: a transport that target_arguments accepts.
std::unique_ptr<host::connector> make_connector(const host::address& to, const target_options& o);

/// The identity of the host, and the subsystem.
host::controller_options controller_options_of(const target_options& o);

}  // namespace causeway::tools
