// SPDX-License-Identifier: Apache-2.0
// Prints what the documents are made of, as JSON: the declarations of all methods, and the options of both programs.

#include "core/log_event.h"
#include "gateway/options.h"
#include "rpc/testing/all_methods_fixture.h"
#include "tools/command_line.h"
#include "transport/rdma/rdma_transport.h"
#include "transport/tcp/tcp_transport.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

using namespace causeway;
using rpc::json;

namespace {

json methods() {
    rpc::test::all_methods_fixture all({rdma_transport_kind(), tcp_transport_kind({})});
    return all.w.result("rpc_get_method_help");
}

json options_of(const CLI::App& app) {
    json all = json::array();
    for (const CLI::Option* o : app.get_options())
        all.push_back({{"names", o->get_name(false, true)},
                       {"is_positional", o->get_positional()},
                       {"takes_value", o->get_items_expected_max() > 0},
                       {"is_required", o->get_required()},
                       {"default", o->get_default_str()},
                       {"group", o->get_group()},
                       {"meaning", o->get_description()}});
    return all;
}

json program(const CLI::App& app) {
    json all = {{"name", app.get_name()}, {"summary", app.get_description()}, {"options", options_of(app)}};
    for (const CLI::App* command : app.get_subcommands({}))
        all["commands"].push_back(program(*command));
    return all;
}

json causewayd() {
    CLI::App app("an NVMe over Fabrics gateway to Ceph", "causewayd");
    gateway::options o;
    gateway::declare_options(app, o);
    return program(app);
}

json causeway_command() {
    CLI::App app("asks a Causeway gateway, and is a host of NVMe over Fabrics targets", "causeway");
    tools::command_line line;
    tools::declare_command_line(app, line);
    return program(app);
}

json events() {
    json all = json::array();
    for (const core::log::event_info& e : core::log::events())
        all.push_back({{"id", e.id},
                       {"level", core::log::to_string(e.severity)},
                       {"component", e.component},
                       {"meaning", e.meaning},
                       {"cure", e.cure}});
    return all;
}

}  // namespace

int main() {
    const json all = {
        {"methods", methods()}, {"events", events()}, {"causewayd", causewayd()}, {"causeway", causeway_command()}};
    fmt::print("{}\n", all.dump(-1, ' ', false));
}
