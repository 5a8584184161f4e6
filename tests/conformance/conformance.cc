// SPDX-License-Identifier: Apache-2.0
// Sends a target one command after the other, good ones and bad ones, and compares what comes back with what the
// specifications ask for.

#include "host/rdma_queue_pair.h"
#include "host/tcp_connector.h"
#include "tests/conformance/markdown.h"
#include "tests/conformance/runner.h"
#include "tools/reactors.h"
#include "tools/rpc_client.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <optional>

using namespace causeway;

namespace {

enum exit_status { success = 0, not_conforming = 1, bad_usage = 2, no_connection = 3 };

struct options {
    host::address at;
    conformance::subsystems subsystems;
    std::string rpc_socket;
    std::string hostnqn = "nqn.2014-08.org.nvmexpress:uuid:0c5a7b3e-57ac-4d4e-9d0b-9d6f6e1f0901";
    bool markdown = false;
};

std::unique_ptr<host::connector> make_connector(const host::address& at) {
    if (at.transport == "rdma")
        return std::make_unique<host::rdma_connector>(at);
    return std::make_unique<host::tcp_connector>(at);
}

core::task<core::result<>> set_ana_state(tools::rpc_client& gateway, const options& o, conformance::ana_change c) {
    const auto state = [&] {
        switch (c.state) {
        case nvme::ana_state::optimized: return "optimized";
        case nvme::ana_state::non_optimized: return "non_optimized";
        case nvme::ana_state::inaccessible: return "inaccessible";
        case nvme::ana_state::persistent_loss: return "persistent_loss";
        case nvme::ana_state::change: break;
        }
        return "change";
    }();
    const tools::json at = {{"trtype", o.at.transport == "rdma" ? "RDMA" : "TCP"},
                            {"adrfam", o.at.host.find(':') == std::string::npos ? "IPv4" : "IPv6"},
                            {"traddr", o.at.host},
                            {"trsvcid", o.at.service}};
    const auto done =
        gateway.call("nvmf_subsystem_listener_set_ana_state",
                     {{"nqn", o.subsystems.ana}, {"listen_address", at}, {"ana_state", state}, {"anagrpid", c.group}});
    co_return done ? core::result<>() : core::result<>(tl::make_unexpected(done.error()));
}

int check(const options& o) {
    std::optional<tools::rpc_client> gateway;
    if (!o.rpc_socket.empty()) {
        auto connected = tools::rpc_client::connect(o.rpc_socket);
        if (!connected) {
            fmt::print(stderr, "conformance: {}\n", connected.error().text());
            return no_connection;
        }
        gateway.emplace(std::move(*connected));
    }
    conformance::ana_setter set_ana;
    if (gateway)
        set_ana = [&](conformance::ana_change c) { return set_ana_state(*gateway, o, c); };
    tools::reactors reactors({});
    unsigned rows = 0, wrong_rows = 0;
    const auto result = reactors.run([&]() -> core::task<core::result<>> {
        const auto by = make_connector(o.at);
        conformance::runner runner(*by, o.subsystems, o.hostnqn, set_ana);
        auto ran = co_await runner.run([&](const conformance::row& r, const std::string& wrong) {
            ++rows;
            if (wrong.empty())
                return;
            ++wrong_rows;
            fmt::print("{}, {}: {}\n", r.command, r.sent, wrong);
        });
        co_return ran;
    });
    if (!result) {
        fmt::print(stderr, "conformance: {}\n", result.error().text());
        return no_connection;
    }
    fmt::print("{} rows, {} not as expected\n", rows, wrong_rows);
    return wrong_rows ? not_conforming : success;
}

}  // namespace

int main(int argc, char** argv) {
    options o;
    CLI::App app("Compares what a target answers with what the specifications ask for. It writes to namespace 1.");
    app.option_defaults()->always_capture_default();
    app.add_option("-t,--transport", o.at.transport)->check(CLI::IsMember({"tcp", "rdma"}));
    app.add_option("-a,--address", o.at.host, "of the target");
    app.add_option("-s,--port", o.at.service);
    app.add_option("-n,--nqn", o.subsystems.nqn, "of the subsystem");
    app.add_option("--ana-nqn", o.subsystems.ana, "of the one that reports ANA; see README.md");
    app.add_option("--auth-nqn", o.subsystems.authentication,
                   "of the one where the host must authenticate; see README.md");
    app.add_option("--rpc", o.rpc_socket, "socket of the gateway, by which ANA states are changed");
    app.add_option("-q,--host-nqn", o.hostnqn);
    app.add_flag("--markdown", o.markdown, "print docs/conformance.md, and send nothing");
    try {
        app.parse(argc, argv);
        if (!o.markdown && (o.at.host.empty() || o.subsystems.nqn.empty()))
            throw CLI::ValidationError("--address and --nqn", "say which target to ask");
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? success : bad_usage;
    }
    if (!o.markdown)
        return check(o);
    fmt::print("{}", conformance::markdown());
    return success;
}
