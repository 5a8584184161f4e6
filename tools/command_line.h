// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/rpc_client.h"

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

namespace causeway::tools {

/// What the command line of `causeway` says.
struct command_line {
    std::string socket = default_socket;
    struct {
        std::string method;
        std::vector<std::string> arguments;
        bool help = false;
    } rpc;
    std::string noun;  ///< whose verbs are to be listed; empty: none
    struct {
        double interval = 1;
        bool as_json = false;
    } status;
    std::function<int()> target_command;  ///< perf, identify or discover, when it has been parsed
};

/// Declares the commands with their options. `to` outlives `app`.
void declare_command_line(CLI::App& app, command_line& to);

/// The word in place of a command that is none; empty: there is none such.
std::string unknown_command(const CLI::App& app, int argc, const char* const* argv);

}  // namespace causeway::tools
