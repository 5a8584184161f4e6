#pragma once

#include "rpc/dispatcher.h"

#include <string>
#include <string_view>
#include <vector>

namespace causeway::gateway {

/// A call that a configuration asks for.
struct config_call {
    std::string method;
    rpc::json params;
};

/// The calls of a configuration, in its order: {"subsystems": [{"subsystem": X, "config": [{"method", "params"}, …]}]}.
/// EINVAL, with where and why.
core::result<std::vector<config_call>> parse_config(std::string_view text);

/// The same of a file; the error names it. Blocks.
core::result<std::vector<config_call>> read_config(const std::string& path);

/// Makes the calls, one after the other: first those that the startup state allows, then, in the runtime state, the rest.
/// Stops at the first that fails, before the first if a method does not exist. Control reactor.
core::task<core::result<>> replay(std::vector<config_call> calls, const rpc::method_table& methods,
                                  rpc::dispatcher& dispatcher, rpc::lifecycle& cycle);

}  // namespace causeway::gateway
