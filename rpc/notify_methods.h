// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "rpc/method.h"

namespace causeway::rpc {

/// notify_get_types, notify_get_notifications: of core::notifications().
void add_notify_methods(method_table& methods);

}  // namespace causeway::rpc
