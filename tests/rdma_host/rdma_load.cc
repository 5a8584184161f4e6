// SPDX-License-Identifier: Apache-2.0
// A well-behaved NVMe over RDMA host that drives a disk: for measuring, and, with --verify, to see that what was
// acknowledged is there.

#include "tests/rdma_host/load.h"
#include "tests/rdma_host/report.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <fmt/format.h>
#include <functional>

using namespace causeway::rdma_host;

namespace {

enum exit_status { fine = 0, wrong_disk = 1, wrong_words = 2, no_connection = 3 };

std::atomic<load*> running = nullptr;

void stop_on_signal() {
    struct sigaction a {};
    a.sa_handler = [](int) {
        if (load* l = running)
            l->stop();
    };
    a.sa_flags = SA_RESETHAND;  // the second one ends it as it is
    for (const int s : {SIGINT, SIGTERM})
        sigaction(s, &a, nullptr);
}

/// Hosts with different names are different hosts.
std::array<std::uint8_t, 16> host_id_of(const std::string& nqn) {
    std::array<std::uint8_t, 16> id;
    for (std::size_t i = 0; i < id.size(); ++i)
        id[i] = static_cast<std::uint8_t>(std::hash<std::string>()(nqn + std::to_string(i)));
    return id;
}

struct command_line {
    load_options load;
    unsigned cycles = 1;
    bool json = false;
};

int read(command_line& to, int argc, char** argv) {
    load_options& o = to.load;
    endpoint& at = o.host.at;
    at.address = "127.0.0.1";
    at.host_nqn = "nqn.2014-08.org.nvmexpress:uuid:0c5a7b3e-57ac-4d4e-9d0b-9d6f6e1f0900";
    double patience = 20, timeout = 30;
    std::uint64_t keep_alive = 15000;
    CLI::App app(
        "Drives a disk behind NVMe over RDMA as a well-behaved host does: random reads, if nothing else is asked for.\n"
        "SIGINT and SIGTERM end the load in order: what is outstanding is waited for, what was written is verified.");
    app.option_defaults()->always_capture_default();
    app.add_option("-a,--address", at.address, "of the target");
    app.add_option("-s,--port", at.port);
    app.add_option("-n,--nqn", at.nqn, "of the subsystem")->required();
    app.add_option("-q,--host-nqn", at.host_nqn);
    app.add_option("--nsid", at.nsid, "of the namespace")->check(CLI::PositiveNumber);
    app.add_option("--queues", o.host.queues, "I/O queues")->check(CLI::Range(1, 128));
    app.add_option("--depth", o.host.depth, "commands outstanding on each queue")->check(CLI::Range(1, 4094));
    app.add_option("--size", o.host.bytes, "bytes of one command")
        ->transform(CLI::AsSizeValue(false))
        ->check(CLI::PositiveNumber);
    app.add_option("--mix", o.write_percent, "percent of the commands write")->check(CLI::Range(0, 100));
    app.add_flag("--sequential", o.sequential, "one after the other instead of at random");
    app.add_option("--region", o.region, "bytes from the start of the disk that are used; 0: all")
        ->transform(CLI::AsSizeValue(false));
    app.add_option("--seconds", o.seconds, "how long; 0: until --count, or until a signal")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--count", o.count, "how many commands; 0: until --seconds, or until a signal");
    app.add_option("--rate", o.rate, "commands a second; 0: as many as go");
    app.add_flag("--events", o.host.events, "sleep until a completion comes, instead of polling");
    app.add_flag("--verify", o.verify,
                 "write content that tells of itself, and check all that is read; at the end, read back all");
    app.add_option("--seed", o.seed, "of places and content");
    app.add_option("--reconnect", o.reconnect,
                   "seconds for which to try to connect, and to connect again when the connection "
                   "breaks; 0: not at all, the program ends")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--reset-every", o.reset_every,
                   "seconds after which the controller is reset, commands in flight; 0: never")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--timeout", timeout, "seconds for which a command may be outstanding")->check(CLI::PositiveNumber);
    app.add_option("--patience", patience, "seconds to wait for one answer while connecting")
        ->check(CLI::PositiveNumber);
    app.add_option("--keep-alive", keep_alive, "milliseconds of the keep-alive timer; 0: none");
    app.add_flag("--silent", o.host.silent, "sends no Keep Alive for all that");
    app.add_option("--cycles", to.cycles, "times to connect, drive and disconnect")->check(CLI::PositiveNumber);
    app.add_flag("--json", to.json, "the result as one line of JSON");
    try {
        app.parse(argc, argv);
        if (o.reset_every > 0 && o.reconnect <= 0)
            throw CLI::ValidationError("--reset-every",
                                       "a controller that is reset is connected to again: --reconnect, too");
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? fine : wrong_words;
    }
    at.host_id = host_id_of(at.host_nqn);
    at.patience = std::chrono::milliseconds(static_cast<std::int64_t>(patience * 1000));
    o.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(timeout * 1000));
    o.host.keep_alive = std::chrono::milliseconds(keep_alive);
    return -1;
}

}  // namespace

int main(int argc, char** argv) {
    command_line wanted;
    if (const int status = read(wanted, argc, argv); status >= 0)
        return status;
    stop_on_signal();
    try {
        for (unsigned cycle = 1; cycle <= wanted.cycles; ++cycle) {
            load l(wanted.load);
            running = &l;
            const outcome o = l.run();
            running = nullptr;
            if (cycle == wanted.cycles || l.was_stopped()) {
                fmt::print("{}", wanted.json ? as_json(o) : as_text(o));
                break;
            }
        }
    } catch (const disk_is_wrong& e) {
        fmt::print(stderr, "rdma_load: {}\n", e.what());
        return wrong_disk;
    } catch (const std::exception& e) {
        fmt::print(stderr, "rdma_load: {}\n", e.what());
        return no_connection;
    }
    return fine;
}
