// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "rpc/config_replay.h"

#include <string>
#include <string_view>
#include <vector>

namespace causeway::gateway {

/// The calls of a configuration, in its order: {"subsystems": [{"subsystem": X, "config": [{"method", "params"}]}]}.
/// EINVAL, with where and why.
core::result<std::vector<rpc::config_call>> parse_config(std::string_view text);

/// The same of a file; the error names it. Blocks.
core::result<std::vector<rpc::config_call>> read_config(const std::string& path);

}  // namespace causeway::gateway
