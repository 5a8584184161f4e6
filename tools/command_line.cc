// SPDX-License-Identifier: Apache-2.0
#include "tools/command_line.h"

#include "tools/target_command.h"
#include "tools/verbs.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <memory>

namespace causeway::tools {

namespace {

/// `causeway NOUN VERB KEY=VALUE ...`: a call of the verb's method.
void add_noun(CLI::App& app, std::string_view noun, command_line& to) {
    std::vector<std::string> names;
    for (const char* name : {"add", "remove", "show", "set"})
        if (find_verb(noun, name))
            names.push_back(name);
    const auto chosen = std::make_shared<std::string>();
    auto& command =
        *app.add_subcommand(std::string(noun), fmt::format("{}: shorter names of methods; without one, lists them",
                                                           fmt::join(names, ", ")));
    command.add_option("-s,--socket", to.socket, "where the gateway's JSON-RPC listens")->capture_default_str();
    command.set_help_flag();
    command.add_flag("-h,--help", to.rpc.help, "describes the verb; without one, lists them");
    command.add_option("VERB", *chosen, fmt::format("{}", fmt::join(names, ", ")));
    command.add_option("PARAMETERS", to.rpc.arguments, "as of causeway rpc");
    command.callback([&to, noun, chosen, names] {
        to.noun = noun;
        if (chosen->empty())
            return;
        const verb* v = find_verb(noun, *chosen);
        if (!v)
            throw CLI::ValidationError(fmt::format("{} {}", noun, *chosen),
                                       fmt::format("is not a command; there are {}", fmt::join(names, ", ")));
        to.rpc.method = v->method;
    });
}

}  // namespace

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

    for (const auto noun : nouns())
        add_noun(app, noun, to);
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
