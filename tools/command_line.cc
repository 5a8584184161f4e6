// SPDX-License-Identifier: Apache-2.0
#include "tools/command_line.h"

#include "tools/target_command.h"

namespace causeway::tools {

void declare_command_line(CLI::App& app, command_line& to) {
    app.require_subcommand(1);
    const auto add_socket = [&](CLI::App& command) {
        command.add_option("-s,--socket", to.socket, "where the gateway's JSON-RPC listens")->capture_default_str();
    };

    auto& rpc = *app.add_subcommand("rpc", "calls a JSON-RPC method and prints its result");
    add_socket(rpc);
    rpc.set_help_flag();
    rpc.add_flag("-h,--help", to.rpc.help, "describes the method; without one, lists all methods");
    rpc.add_option("METHOD", to.rpc.method, "its name; without one, all are listed");
    rpc.add_option("PARAMETERS", to.rpc.arguments,
                   "KEY=VALUE, OBJECT.KEY=VALUE, LIST=A,B; or one text of JSON; or -: JSON from the standard input");

    auto& status = *app.add_subcommand("status", "who is connected, which disk is on which core, how busy all is");
    add_socket(status);
    status.add_option("-i,--interval", to.status.interval, "seconds between two looks; 0: one look, no rates")
        ->check(CLI::Range(0.0, 3600.0))
        ->capture_default_str();
    status.add_flag("--json", to.status.as_json, "the same as JSON");

    add_export_command(app, to.target_command);
    add_apply_commands(app, to.target_command);
    add_doctor_command(app, to.target_command);
    add_perf_command(app, to.target_command);
    add_identify_command(app, to.target_command);
    add_discover_command(app, to.target_command);
}

std::string unknown_command(const CLI::App& app, int argc, const char* const* argv) {
    if (argc < 2 || argv[1][0] == '-' || argv[1][0] == '\0')
        return {};
    for (const CLI::App* command : app.get_subcommands({}))
        if (command->get_name() == argv[1])
            return {};
    return argv[1];
}

}  // namespace causeway::tools
