// SPDX-License-Identifier: Apache-2.0
#include "core/printable.h"
#include "tools/perf.h"
#include "tools/target_command.h"

#include <csignal>
#include <fmt/format.h>
#include <memory>
#include <sched.h>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

namespace causeway::tools {

namespace {

int stop_descriptor = -1;  // of the signal handler

/// The first signal ends the measurement, the second one the process.
void stop_on_signals() {
    stop_descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct sigaction a {};
    a.sa_handler = [](int) {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto n = ::write(stop_descriptor, &one, sizeof one);
    };
    a.sa_flags = SA_RESETHAND;
    for (const int s : {SIGINT, SIGTERM})
        ::sigaction(s, &a, nullptr);
}

/// "0,2-4"
std::vector<unsigned> parse_numbers(const std::string& name, const std::string& text) {
    std::vector<unsigned> all;
    for (const auto& part : CLI::detail::split(text, ',')) {
        const auto dash = part.find('-');
        unsigned first = 0, last = 0;
        if (!CLI::detail::lexical_cast(part.substr(0, dash), first) ||
            (dash != part.npos && !CLI::detail::lexical_cast(part.substr(dash + 1), last)))
            throw CLI::ValidationError(name, part + " is neither a number nor a range of numbers");
        if (dash == part.npos)
            last = first;
        if (last < first || last - first > 1023)
            throw CLI::ValidationError(name, part + " is no range");
        for (unsigned n = first; n <= last; ++n)
            all.push_back(n);
    }
    return all;
}

unsigned some_cpu() {
    cpu_set_t allowed;
    ::sched_getaffinity(0, sizeof allowed, &allowed);
    unsigned cpu = 0;
    while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, &allowed))
        ++cpu;
    return cpu;
}

struct arguments {
    target_arguments to;
    perf_options options;
    std::string cpus, namespaces = "all", pattern = "random";
    bool as_json = false;
};

int run(const arguments& a) {
    perf_options o = a.options;
    o.to = a.to.get();
    o.cpus = a.cpus.empty() ? std::vector<unsigned>{some_cpu()} : parse_numbers("--cores", a.cpus);
    if (a.namespaces != "all")
        for (const unsigned n : parse_numbers("--namespaces", a.namespaces))
            o.namespaces.push_back(n);
    if (o.verify && o.to.addresses.size() > 1 && o.reconnect <= 0)
        throw CLI::ValidationError("--verify",
                                   "of several addresses needs --reconnect: they are paths to the same blocks");
    o.sequential = a.pattern == "sequential";
    stop_on_signals();
    const bool shows_progress = ::isatty(STDERR_FILENO);
    const auto tell = [&](const perf_progress& p) {
        if (shows_progress)
            fmt::print(stderr, "\r{:4.0f} s  {:>9.0f} IOPS  {:>8.1f} MiB/s  {:12}", p.seconds, p.iops, p.mib, p.phase);
    };
    core::result<perf_result> result;
    try {
        result = run_perf(o, stop_descriptor, tell);
    } catch (const std::system_error& e) {
        fmt::print(stderr, "causeway perf: {}\n", e.what());
        return bad_usage;
    }
    if (shows_progress)
        fmt::print(stderr, "\r{:60}\r", "");
    if (!result) {
        fmt::print(stderr, "causeway perf: {}\n", core::printable(result.error().text()));
        return result.error().code == EINVAL ? bad_usage : no_connection;
    }
    if (a.as_json)
        fmt::print("{}\n", to_json(*result, o).dump(2, ' ', true, nlohmann::json::error_handler_t::replace));
    else
        fmt::print("{}", to_text(*result));
    if (result->trouble.empty())
        return done;
    fmt::print(stderr, "causeway perf: {}\n", core::printable(result->trouble));
    return result->lost ? no_connection : failed;
}

}  // namespace

void add_perf_command(CLI::App& app, std::function<int()>& what) {
    auto a = std::make_shared<arguments>();
    perf_options& o = a->options;
    auto& c = *app.add_subcommand("perf", "drives a target's namespaces and measures");
    a->to.add_to(c);
    c.add_option("--cores", a->cpus, "CPUs, as in 0,2-3: a thread on each, with a queue of each controller");
    c.add_option("--namespaces", a->namespaces, "identifiers, as in 1,3-4, or all")->capture_default_str();
    c.add_option("-d,--depth", o.depth, "commands outstanding on each queue")
        ->check(CLI::Range(1, 4096))
        ->capture_default_str();
    c.add_option("-b,--size", o.size, "bytes of a command, as in 4096 or 64K")
        ->transform(CLI::AsSizeValue(false))
        ->capture_default_str();
    c.add_option("-m,--mix", o.read_percent, "percentage of reads")->check(CLI::Range(0, 100))->capture_default_str();
    c.add_option("--pattern", a->pattern, "random or sequential")
        ->check(CLI::IsMember({"random", "sequential"}))
        ->capture_default_str();
    c.add_option("--seconds", o.seconds, "how long; 0: until it is stopped, or --count")
        ->check(CLI::Range(0.0, 1e7))
        ->capture_default_str();
    c.add_option("--count", o.count, "commands, instead of a time, without a warm-up");
    c.add_option("--warm-up", o.warm_up, "seconds before what counts")
        ->check(CLI::Range(0.0, 3600.0))
        ->capture_default_str();
    c.add_option("--region", o.region, "only so many bytes from the start of each namespace")
        ->transform(CLI::AsSizeValue(false));
    c.add_option("--seed", o.seed, "of places and of content")->capture_default_str();
    c.add_option(
         "--reconnect", o.reconnect,
         "the addresses are paths of one subsystem: the best is taken, a lost one made again, for so many seconds")
        ->check(CLI::Range(0.0, 1e6));
    c.add_flag("--verify", o.verify, "what was acknowledged must be read back; overwrites what is there");
    c.add_flag("--events", o.events, "sleeps where there is nothing to do, instead of polling");
    c.add_flag("--json", a->as_json, "the result as JSON");
    c.callback([a, &c, &what] {
        if (a->options.count && !c.count("--seconds"))
            a->options.seconds = 0;
        what = [a] { return run(*a); };
    });
}

}  // namespace causeway::tools
