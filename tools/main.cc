// SPDX-License-Identifier: Apache-2.0
#include "core/printable.h"
#include "tools/rpc_client.h"
#include "tools/status.h"
#include "tools/target_command.h"

#include <CLI/CLI.hpp>
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

int run_rpc(const std::string& socket, const std::string& method, std::string params) {
    if (params == "-")
        params.assign(std::istreambuf_iterator<char>(std::cin), {});
    json value;
    if (!params.empty()) {
        try {
            value = json::parse(params);
        } catch (const json::parse_error& e) {
            std::string_view why = e.what();  // "[json.exception.…] parse error at line 1, column 2: …"
            why.remove_prefix(why.find("] ") + 2);
            why = why.substr(0, why.find("; last read: '"));  // may be a key
            return complain(fmt::format("the parameters are not JSON: {}", why), bad_usage);
        }
    }
    auto gateway = tools::rpc_client::connect(socket);
    if (!gateway)
        return complain(gateway.error());
    const auto result = gateway->call(method, value);
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

}  // namespace

int main(int argc, char** argv) {
    std::string socket = tools::default_socket;
    CLI::App app("Asks a Causeway gateway, and tells it what to do.", "causeway");
    app.set_version_flag("--version", "causeway " CAUSEWAY_VERSION);
    app.require_subcommand(1);
    const auto add_socket = [&](CLI::App& command) {
        command.add_option("-s,--socket", socket, "where the gateway's JSON-RPC listens")->capture_default_str();
    };

    std::string method, params;
    auto& rpc = *app.add_subcommand("rpc", "calls a JSON-RPC method and prints its result");
    add_socket(rpc);
    rpc.add_option("METHOD", method, "its name; rpc_get_methods lists them")->required();
    rpc.add_option("JSON", params, "its parameters; -: from the standard input");

    double interval = 1;
    bool as_json = false;
    auto& status = *app.add_subcommand("status", "who is connected, which disk is on which core, how busy all is");
    add_socket(status);
    status.add_option("-i,--interval", interval, "seconds between two looks; 0: one look, no rates")
        ->check(CLI::Range(0.0, 3600.0))
        ->capture_default_str();
    status.add_flag("--json", as_json, "the same as JSON");

    std::function<int()> target_command;
    tools::add_export_command(app, target_command);
    tools::add_perf_command(app, target_command);
    tools::add_identify_command(app, target_command);
    tools::add_discover_command(app, target_command);

    try {
        app.parse(argc, argv);
        if (target_command)
            return target_command();
    } catch (const CLI::Success& e) {  // --help, --version
        return app.exit(e);
    } catch (const CLI::ParseError& e) {
        return complain(fmt::format("{} (see causeway --help)", e.what()), bad_usage);
    }
    if (rpc.parsed())
        return run_rpc(socket, method, params);
    return run_status(socket, interval, as_json);
}
