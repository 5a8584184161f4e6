// SPDX-License-Identifier: Apache-2.0
// Sends a target one command after the other, good ones and bad ones, and compares what comes back with what the
// specifications ask for.

#include "host/rdma_queue_pair.h"
#include "host/tcp_connector.h"
#include "tests/conformance/markdown.h"
#include "tests/conformance/runner.h"
#include "tools/reactors.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

using namespace causeway;

namespace {

enum exit_status { success = 0, not_conforming = 1, bad_usage = 2, no_connection = 3 };

struct options {
    host::address at;
    std::string subnqn;
    std::string hostnqn = "nqn.2014-08.org.nvmexpress:uuid:0c5a7b3e-57ac-4d4e-9d0b-9d6f6e1f0901";
    bool markdown = false;
};

std::unique_ptr<host::connector> make_connector(const host::address& at) {
    if (at.transport == "rdma")
        return std::make_unique<host::rdma_connector>(at);
    return std::make_unique<host::tcp_connector>(at);
}

int check(const options& o) {
    tools::reactors reactors({});
    unsigned rows = 0, wrong_rows = 0;
    const auto result = reactors.run([&]() -> core::task<core::result<>> {
        const auto by = make_connector(o.at);
        conformance::runner runner(*by, o.subnqn, o.hostnqn);
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
    app.add_option("-n,--nqn", o.subnqn, "of the subsystem");
    app.add_option("-q,--host-nqn", o.hostnqn);
    app.add_flag("--markdown", o.markdown, "print docs/conformance.md, and send nothing");
    try {
        app.parse(argc, argv);
        if (!o.markdown && (o.at.host.empty() || o.subnqn.empty()))
            throw CLI::ValidationError("--address and --nqn", "say which target to ask");
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? success : bad_usage;
    }
    if (!o.markdown)
        return check(o);
    fmt::print("{}", conformance::markdown());
    return success;
}
