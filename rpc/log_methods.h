// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "rpc/method.h"

namespace causeway::rpc {

/// log_get_level, log_set_level, log_get_print_level, log_set_print_level, log_get_flags, log_set_flag, log_clear_flag,
/// log_enable_timestamps.
void add_log_methods(method_table& methods);

}  // namespace causeway::rpc
