// SPDX-License-Identifier: Apache-2.0
// causeway apply, diff and export-config: the wished-for state of a gateway, in a file.

#include "core/printable.h"
#include "tools/config_plan.h"
#include "tools/method_help.h"
#include "tools/output_file.h"
#include "tools/rpc_client.h"
#include "tools/target_command.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

namespace causeway::tools {

namespace {

/// Exit status of `diff`; `apply`: failed (1) if something of the file could not be made.
constexpr int equal = 0, different = 1, error_status = 2;

struct arguments {
    std::string file;
    std::string socket = default_socket;
    bool dry_run = false, may_remove = false, as_json = false;
};

int complain(const char* command, const core::error& e, int status) {
    fmt::print(stderr, "causeway {}: {}\n", command, core::printable(e.text()));
    return status;
}

void print(const json& value) {
    fmt::print("{}\n", value.dump(2, ' ', true, json::error_handler_t::replace));
}

core::result<json> read_file(const std::string& path) {
    std::string text;
    if (path == "-") {
        text.assign(std::istreambuf_iterator<char>(std::cin), {});
    } else {
        std::ifstream file(path);
        if (!file)
            return core::fail_errno(errno, path);
        text.assign(std::istreambuf_iterator<char>(file), {});
    }
    auto value = parse_json(text);
    if (!value)
        return core::fail(value.error().code, value.error().text(), path);
    return value;
}

/// The configuration as a file has it.
core::result<json> ask_for_configuration(rpc_client& gateway) {
    const auto sections = gateway.call("framework_get_subsystems");
    if (!sections)
        return sections;
    if (!sections->is_array())
        return core::fail(EPROTO, "the gateway's answer is not an array", "framework_get_subsystems");
    json all = json::array();
    for (const json& section : *sections) {
        auto config = gateway.call("framework_get_config", {{"name", section.at("subsystem")}});
        if (!config)
            return config;
        all.push_back({{"subsystem", section.at("subsystem")}, {"config", std::move(*config)}});
    }
    return json{{"subsystems", std::move(all)}};
}

core::result<config_state> ask_for_state(rpc_client& gateway) {
    const auto config = ask_for_configuration(gateway);
    if (!config)
        return tl::make_unexpected(config.error());
    std::vector<failed_call> failed;
    if (const auto calls = gateway.call("framework_get_failed_config"))  // ours alone
        for (const json& f : *calls)
            failed.push_back(
                {f.value("id", 0u), f.value("method", ""), f.value("params", json::object()), f.value("message", "")});
    return config_state::read(*config, all_method_help(), false, failed);
}

core::result<config_state> read_wished(const std::string& path) {
    const auto file = read_file(path);
    if (!file)
        return tl::make_unexpected(file.error());
    auto state = config_state::read(*file, all_method_help(), true);
    if (!state)
        return core::fail(state.error().code, state.error().text(), path);
    return state;
}

/// The file's state and the gateway's.
struct both_states {
    config_state wished, actual;
};
core::result<both_states> read_both(const arguments& a, std::optional<rpc_client>& gateway) {
    auto wished = read_wished(a.file);  // first: what is wrong with it needs no gateway
    if (!wished)
        return tl::make_unexpected(wished.error());
    auto connected = rpc_client::connect(a.socket);
    if (!connected)
        return tl::make_unexpected(connected.error());
    gateway.emplace(std::move(*connected));
    auto actual = ask_for_state(*gateway);
    if (!actual)
        return tl::make_unexpected(actual.error());
    return both_states{std::move(*wished), std::move(*actual)};
}

int run_diff(const arguments& a) {
    std::optional<rpc_client> gateway;
    const auto states = read_both(a, gateway);
    if (!states)
        return complain("diff", states.error(), error_status);
    const auto changes = compare(states->wished, states->actual);
    if (a.as_json) {
        json all = json::array();
        for (const config_change& c : changes)
            all.push_back(to_json(c));
        print({{"equal", changes.empty()}, {"changes", all}});
    } else {
        for (const config_change& c : changes)
            fmt::print("{}\n", core::printable(c.text()));
    }
    return changes.empty() ? equal : different;
}

/// Makes the calls of the steps, and returns how many steps are done.
std::size_t carry_out_all(const std::vector<plan_step>& steps, rpc_client& gateway, bool prints,
                          std::optional<core::error>& failure) {
    const auto call = [&](const std::string& method, const json& params) { return gateway.call(method, params); };
    for (std::size_t done_steps = 0; done_steps < steps.size(); ++done_steps) {
        const plan_step& step = steps[done_steps];
        if (const auto made = carry_out(step, call); !made) {
            failure = made.error();
            return done_steps;
        }
        if (prints) {
            fmt::print("{}\n", core::printable(step.text));
            std::fflush(stdout);
        }
    }
    return steps.size();
}

json to_json(const arguments& a, const config_plan& plan, std::size_t done_steps,
             const std::optional<core::error>& failure) {
    json steps = json::array();
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
        json methods = json::array();
        for (const auto& c : plan.steps[i].calls)
            methods.push_back(c.method);
        steps.push_back({{"step", plan.steps[i].text},
                         {"kind", to_string(plan.steps[i].id.kind)},
                         {"name", plan.steps[i].id.name},
                         {"methods", methods},
                         {"done", i < done_steps}});
    }
    json all = {{"dry_run", a.dry_run}, {"steps", steps}, {"left_over", plan.left_over}, {"blocked", plan.blocked}};
    if (failure)
        all["error"] = {{"code", failure->code}, {"message", failure->text()}};
    return all;
}

void tell_failure(const config_plan& plan, std::size_t done_steps, const core::error& why) {
    fmt::print(stderr, "causeway apply: {}: {}\n", core::printable(plan.steps[done_steps].id.text()),
               core::printable(why.text()));
    fmt::print(stderr, "causeway apply: {} of {} steps are done; these are not:\n", done_steps, plan.steps.size());
    for (std::size_t i = done_steps; i < plan.steps.size(); ++i)
        fmt::print(stderr, "    {}\n", core::printable(plan.steps[i].text));
    fmt::print(stderr, "Remedy the cause and apply the file again: what is done stays and is not done twice.\n");
}

int run_apply(const arguments& a) {
    std::optional<rpc_client> gateway;
    const auto states = read_both(a, gateway);
    if (!states)
        return complain("apply", states.error(), error_status);
    const config_plan plan = make_plan(states->wished, states->actual, a.may_remove);
    std::size_t done_steps = 0;
    std::optional<core::error> failure;
    if (!a.dry_run)
        done_steps = carry_out_all(plan.steps, *gateway, !a.as_json, failure);
    if (a.as_json) {
        print(to_json(a, plan, done_steps, failure));
        return failure || !plan.blocked.empty() ? failed : done;
    }
    if (a.dry_run)
        for (const plan_step& step : plan.steps)
            fmt::print("{}\n", core::printable(step.text));
    if (plan.steps.empty() && plan.blocked.empty())
        fmt::print("nothing is to be done\n");
    for (const auto& sentence : plan.left_over)
        fmt::print("left over: {}\n", core::printable(sentence));
    for (const auto& sentence : plan.blocked)
        fmt::print("not done: {}\n", core::printable(sentence));
    if (failure)
        tell_failure(plan, done_steps, *failure);
    return failure || !plan.blocked.empty() ? failed : done;
}

int run_export(const arguments& a) {
    auto gateway = rpc_client::connect(a.socket);
    if (!gateway)
        return complain("export-config", gateway.error(), error_status);
    const auto config = ask_for_configuration(*gateway);
    if (!config)
        return complain("export-config", config.error(), error_status);
    if (a.file.empty() || a.file == "-") {
        print(*config);
        return done;
    }
    const std::string text = config->dump(2, ' ', true, json::error_handler_t::replace) + "\n";
    if (const auto written = write_output(a.file, text); !written)
        return complain("export-config", written.error(), error_status);
    std::size_t calls = 0;
    for (const json& section : (*config)["subsystems"])
        calls += section["config"].size();
    if (!std::filesystem::is_regular_file(a.file))
        return done;  // who reads the configuration there wants nothing behind it
    if (a.as_json)
        print({{"file", a.file}, {"calls", calls}});
    else
        fmt::print("{} has the {} calls that make what the gateway has\n", core::printable(a.file), calls);
    return done;
}

std::shared_ptr<arguments> add_command(CLI::App& app, const char* name, const char* says, std::function<int()>& what,
                                       int (*run)(const arguments&), CLI::App*& command) {
    const auto a = std::make_shared<arguments>();
    command = app.add_subcommand(name, says);
    command->add_option("-s,--socket", a->socket, "where the gateway's JSON-RPC listens")->capture_default_str();
    command->add_flag("--json", a->as_json, "the same as JSON");
    command->callback([a, run, &what] { what = [a, run] { return run(*a); }; });
    return a;
}

}  // namespace

void add_apply_commands(CLI::App& app, std::function<int()>& what) {
    constexpr const char* file_text = "a configuration, as export-config and save_config write it; -: the "
                                      "standard input";
    CLI::App* c = nullptr;
    const auto apply = add_command(app, "apply", "makes a gateway what a configuration file says", what, run_apply, c);
    c->add_option("FILE", apply->file, file_text)->required();
    c->add_flag("--dry-run", apply->dry_run, "only says what it would do");
    c->add_flag(
        "--remove", apply->may_remove,
        "removes what the file does not have, and makes again what cannot be changed; else both are only named");
    const auto diff = add_command(app, "diff",
                                  "says how a gateway differs from a configuration file: status 0, it does not; 1, it "
                                  "does; 2, that is not known",
                                  what, run_diff, c);
    c->add_option("FILE", diff->file, file_text)->required();
    const auto to = add_command(app, "export-config", "writes the configuration of a gateway", what, run_export, c);
    c->add_option("FILE", to->file, "where to; default: the standard output");
}

}  // namespace causeway::tools
