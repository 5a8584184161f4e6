// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace causeway::tools {

/// The text of docs/rpc.json. The build makes the source of it.
extern const std::string_view method_help_data;

}  // namespace causeway::tools
