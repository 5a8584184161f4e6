// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "rpc/lifecycle.h"
#include "rpc/method.h"
#include "rpc/saved_config.h"

namespace causeway::rpc {

/// rpc_get_methods, spdk_get_version, framework_start_init, framework_wait_init, framework_get_subsystems,
/// framework_get_config, spdk_kill_instance. All arguments outlive the table's last call.
void add_framework_methods(method_table& methods, lifecycle& cycle, const saved_config& config);

}  // namespace causeway::rpc
