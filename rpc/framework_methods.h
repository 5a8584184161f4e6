// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "rpc/lifecycle.h"
#include "rpc/method.h"
#include "rpc/saved_config.h"

namespace causeway::rpc {

/// The subsystems of a saved configuration, by the names of SPDK's target. Those that have nothing to configure here
/// are among them: its tools look for them.
void add_subsystems(saved_config& config);

/// rpc_get_methods, rpc_get_method_help, spdk_get_version, spdk_kill_instance, framework_start_init,
/// framework_wait_init, framework_get_subsystems, framework_get_config. All arguments outlive the table's last call.
void add_framework_methods(method_table& methods, lifecycle& cycle, const saved_config& config);

}  // namespace causeway::rpc
