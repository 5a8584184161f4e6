// SPDX-License-Identifier: Apache-2.0
#include "core/printable.h"
#include "tools/command_line.h"
#include "tools/method_help.h"
#include "tools/rpc_client.h"
#include "tools/status.h"
#include "tools/target_command.h"
#include "tools/verbs.h"

#include <fmt/format.h>
#include <iostream>
#include <iterator>
#include <thread>

using namespace causeway;
using tools::json;

namespace {

using tools::bad_usage;
using tools::failed;

int complain(const std::string& why, int exit_code = failed) {
    fmt::print(stderr, "causeway: {}\n", core::printable(why));
    return exit_code;
}

int complain(const core::error& e) {
    return complain(e.code < 0 ? fmt::format("{} (code {})", e.text(), e.code) : e.text());
}

void print(const json& value) {
    fmt::print("{}\n", value.dump(2, ' ', true, json::error_handler_t::replace));
}

/// The declaration of a method: what is compiled in, or what a newer gateway says. Null: neither has it.
json declaration_of(const std::string& method, tools::rpc_client* gateway) {
    if (const json* known = tools::find_method(tools::all_method_help(), method))
        return *known;
    const auto said = gateway ? gateway->call("rpc_get_method_help", {{"name", method}}) : core::result<json>(json());
    return said && said->is_array() && said->size() == 1 ? said->front() : json();
}

int rpc_help(const tools::command_line& line) {
    if (line.rpc.method.empty()) {
        fmt::print("causeway rpc [-s SOCKET] METHOD [KEY=VALUE ... | JSON | -]\ncauseway rpc METHOD --help\n\n{}",
                   tools::method_list(tools::all_method_help()));
        return 0;
    }
    auto gateway = tools::rpc_client::connect(line.socket);
    const json method = declaration_of(line.rpc.method, gateway ? &*gateway : nullptr);
    if (method.is_null())
        return complain(fmt::format("there is no method '{}'{}; causeway rpc lists them", line.rpc.method,
                                    tools::meant_method(tools::all_method_help(), line.rpc.method)),
                        bad_usage);
    fmt::print("{}", tools::method_text(method));
    return 0;
}

int run_rpc(const tools::command_line& line) {
    if (line.rpc.help || line.rpc.method.empty())
        return rpc_help(line);
    const std::vector<std::string>& arguments = line.rpc.arguments;
    const bool from_stdin = arguments == std::vector<std::string>{"-"};
    // Before anything is asked of a gateway: what can be wrong here is said here.
    const json* known = tools::find_method(tools::all_method_help(), line.rpc.method);
    auto params = from_stdin ? tools::parse_json(std::string(std::istreambuf_iterator<char>(std::cin), {}))
                             : tools::parse_parameters(known, arguments);
    if (!params && (known || from_stdin))
        return complain(params.error().text(), bad_usage);
    auto gateway = tools::rpc_client::connect(line.socket);
    if (!gateway)
        return complain(gateway.error());
    if (!params) {
        const json method = declaration_of(line.rpc.method, &*gateway);
        if (!method.is_null())
            params = tools::parse_parameters(&method, arguments);
        if (!params)
            return complain(params.error().text(), bad_usage);
    }
    const auto result = gateway->call(line.rpc.method, *params);
    if (!result)
        return complain(result.error());
    print(*result);
    return 0;
}

int run_status(const std::string& socket, double interval, bool as_json) {
    auto gateway = tools::rpc_client::connect(socket);
    if (!gateway)
        return complain(gateway.error());
    const auto before = tools::take_sample(*gateway);
    if (!before)
        return complain(before.error());
    auto after = before;
    if (interval > 0) {
        std::this_thread::sleep_for(std::chrono::duration<double>(interval));
        after = tools::take_sample(*gateway);
        if (!after)
            return complain(after.error());
    }
    const auto status = tools::compare(*before, *after);
    if (as_json)
        print(tools::to_json(status));
    else
        fmt::print("{}", tools::to_text(status));
    return 0;
}

/// What the command line says. Throws json::exception: an answer or a file is not of the expected form.
int dispatch(CLI::App& app, const tools::command_line& line) {
    if (line.target_command)
        return line.target_command();
    if (!line.noun.empty() && line.rpc.method.empty()) {
        fmt::print("{}", tools::verb_list(line.noun, tools::all_method_help()));
        return 0;
    }
    if (!line.noun.empty() || app.got_subcommand("rpc"))
        return run_rpc(line);
    return run_status(line.socket, line.status.interval, line.status.as_json);
}

}  // namespace

int main(int argc, char** argv) {
    tools::command_line line;
    CLI::App app("Asks a Causeway gateway, and tells it what to do.", "causeway");
    app.set_version_flag("--version", "causeway " CAUSEWAY_VERSION);
    tools::declare_command_line(app, line);
    if (const std::string word = tools::unknown_command(app, argc, argv); !word.empty())
        return complain(fmt::format("'{}' is not a command (see causeway --help)", word), bad_usage);
    try {
        app.parse(argc, argv);
        return dispatch(app, line);
    } catch (const CLI::Success& e) {  // --help, --version
        return app.exit(e);
    } catch (const CLI::ParseError& e) {
        return complain(fmt::format("{} (see causeway --help)", e.what()), bad_usage);
    } catch (const json::exception& e) {
        return complain(fmt::format("an answer of the gateway, or the file, is not of the expected form ({}): is it a "
                                    "gateway of this version that listens at the socket?",
                                    e.what()),
                        bad_usage);
    }
}
