// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "rpc/method.h"

#include <span>
#include <string_view>

namespace causeway::rpc {

/// Methods of SPDK's target (26.09) that this one has not, sorted. Operators come with scripts that call them.
std::span<const std::string_view> spdk_only_methods() noexcept;

/// -32601 for a name that no method has: says that SPDK alone has it, or which name was probably meant.
rpc_error not_found(const method_table& methods, std::string_view name);

}  // namespace causeway::rpc
