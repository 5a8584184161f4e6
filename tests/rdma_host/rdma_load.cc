// SPDX-License-Identifier: Apache-2.0
// A host over RDMA that drives a disk for tests and, with --verify, checks that acknowledged data is there. It does
// what `causeway perf` does not: it looks at the disk before it repeats a write, resets controllers, keeps a rate, and
// connects again and again. It prints one line of JSON.

#include "tests/rdma_host/load.h"
#include "tools/reactors.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace causeway;
using namespace causeway::rdma_host;

namespace {

enum exit_status { success = 0, wrong_disk = 1, bad_usage = 2, no_connection = 3 };

std::atomic<load*> running = nullptr;

void stop_on_signal() {
    struct sigaction a {};
    a.sa_handler = [](int) {
        if (load* l = running)
            l->stop();
    };
    a.sa_flags = SA_RESETHAND;  // the second signal ends the process
    for (const int s : {SIGINT, SIGTERM})
        ::sigaction(s, &a, nullptr);
}

struct command_line {
    load_options load;
    unsigned cycles = 1;
    bool events = false;
};

/// Returns an exit status if there is nothing to run.
std::optional<int> parse(command_line& to, int argc, char** argv) {
    load_options& o = to.load;
    o.hostnqn = "nqn.2014-08.org.nvmexpress:uuid:0c5a7b3e-57ac-4d4e-9d0b-9d6f6e1f0900";
    CLI::App app("Drives a disk behind NVMe over RDMA as a well-behaved host does: random reads by default.\n"
                 "After SIGINT or SIGTERM it waits for what is outstanding and verifies what was written.");
    app.option_defaults()->always_capture_default();
    app.add_option("-a,--address", o.to.host, "of the target");
    app.add_option("-s,--port", o.to.service);
    app.add_option("-n,--nqn", o.subnqn, "of the subsystem")->required();
    app.add_option("-q,--host-nqn", o.hostnqn);
    app.add_option("--nsid", o.nsid, "of the namespace")->check(CLI::PositiveNumber);
    app.add_option("--queues", o.queues, "I/O queues")->check(CLI::Range(1, 128));
    app.add_option("--depth", o.depth, "commands outstanding on each queue")->check(CLI::Range(1, 4094));
    app.add_option("--size", o.bytes, "bytes of one command")
        ->transform(CLI::AsSizeValue(false))
        ->check(CLI::PositiveNumber);
    app.add_option("--mix", o.read_percent, "percentage of reads")->check(CLI::Range(0, 100));
    app.add_flag("--sequential", o.sequential, "in order instead of at random");
    app.add_option("--region", o.region, "only so many bytes from the start of the disk; 0: all")
        ->transform(CLI::AsSizeValue(false));
    app.add_option("--seconds", o.seconds, "how long; 0: until --count, or until a signal")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--count", o.count, "how many commands; 0: until --seconds, or until a signal");
    app.add_option("--rate", o.rate, "commands per second; 0: as many as possible");
    app.add_flag("--events", to.events, "sleep until a completion comes, instead of polling");
    app.add_flag("--verify", o.verify,
                 "write data that describes itself, check all that is read, and read everything back at the end");
    app.add_option("--seed", o.seed, "of slots and data");
    app.add_option("--reconnect", o.reconnect,
                   "seconds for which to try to connect, and to connect again after a loss; 0: a loss is an error")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--reset-every", o.reset_every,
                   "seconds between two resets of the controller, with commands outstanding; 0: never")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--keep-alive", o.kato_ms, "milliseconds of the keep-alive timer; 0: none");
    app.add_option("--cycles", to.cycles, "times to connect, drive and disconnect")->check(CLI::PositiveNumber);
    try {
        app.parse(argc, argv);
        if (o.reset_every > 0 && o.reconnect <= 0)
            throw CLI::ValidationError("--reset-every", "needs --reconnect: the host connects again after each reset");
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? success : bad_usage;
    }
    return std::nullopt;
}

nlohmann::ordered_json to_json(const outcome& o) {
    const auto direction = [](const outcome::direction& d) {
        return nlohmann::ordered_json{{"commands", d.commands}, {"bytes", d.bytes}};
    };
    return {{"seconds", o.seconds},        {"read", direction(o.read)},
            {"write", direction(o.write)}, {"verified_blocks", o.verified_blocks},
            {"reconnects", o.reconnects},  {"resets", o.resets},
            {"redriven", o.redriven},      {"retried", o.retried}};
}

}  // namespace

int main(int argc, char** argv) {
    command_line wanted;
    if (const auto status = parse(wanted, argc, argv))
        return *status;
    stop_on_signal();
    tools::reactors reactors({}, {.never_sleep = !wanted.events});
    for (unsigned cycle = 1; cycle <= wanted.cycles; ++cycle) {
        load l(wanted.load);
        running = &l;
        const outcome o = reactors.run([&] { return l.run(); });
        running = nullptr;
        if (!o.trouble.empty()) {
            fmt::print(stderr, "rdma_load: {}\n", o.trouble);
            return o.disk_is_wrong ? wrong_disk : no_connection;
        }
        if (cycle == wanted.cycles || l.was_stopped()) {
            fmt::print("{}\n", to_json(o).dump());
            break;
        }
    }
    return success;
}
