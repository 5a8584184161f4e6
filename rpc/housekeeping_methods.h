// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "rpc/method.h"

namespace causeway::rpc {

/// Methods of SPDK's target that have nothing to change here. Control planes call them, and configurations that SPDK's
/// target has saved contain them.
void add_housekeeping_methods(method_table& methods);

}  // namespace causeway::rpc
