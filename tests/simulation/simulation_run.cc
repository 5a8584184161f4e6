// SPDX-License-Identifier: Apache-2.0
// Runs seeds of the whole-gateway simulation and says which one fails.

#include "core/log.h"
#include "tests/simulation/host.h"
#include "tests/simulation/operator.h"
#include "tests/simulation/simulated_system.h"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fmt/core.h>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unistd.h>

namespace causeway::simulation {
namespace {

constexpr unsigned operators_at_work = 2;

volatile std::uint64_t running_seed = 0;

/// Says which seed it was before the process goes.
void on_crash(int signal) {
    char text[96];
    const int n = std::snprintf(text, sizeof text, "seed %llu: signal %d\n",
                                static_cast<unsigned long long>(running_seed), signal);
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, static_cast<std::size_t>(n));
    std::signal(signal, SIG_DFL);
    std::raise(signal);
}

struct outcome {
    std::string failure;
    std::uint64_t fingerprint = 0, commands = 0, ok = 0, bad = 0, lost = 0, blocks = 0;
    double virtual_seconds = 0;
};

struct cast {
    explicit cast(std::uint64_t seed, bool tracing)
        : w(seed, tracing), spoiler(w), auditor(w, w.plans().hosts.size()) {}
    simulated_system w;
    std::list<host> hosts;
    std::list<gateway_operator> operators;
    saboteur spoiler;
    host auditor;
};

outcome run(std::uint64_t seed, bool tracing) {
    running_seed = seed;
    auto all = std::make_unique<cast>(seed, tracing);
    simulated_system& w = all->w;
    const bool faults = w.plans().has(trouble::faults);

    const auto begin = [&] {
        for (std::size_t h = 0; h < w.plans().hosts.size(); ++h)
            core::detach(all->hosts.emplace_back(w, h).live());
        for (unsigned i = 0; i < operators_at_work; ++i)
            core::detach(all->operators.emplace_back(w).work(w.plans().operations));
        if (faults)
            core::detach(all->spoiler.work());
    };
    const auto over = [&] {
        for (const auto& h : all->hosts)
            if (!h.done())
                return false;
        for (const auto& o : all->operators)
            if (!o.done())
                return false;
        all->spoiler.stop();
        return !faults || all->spoiler.done();
    };
    w.play(begin, over, [&] { return all->auditor.audit(); });

    outcome o;
    o.failure = w.failure();
    o.fingerprint = w.run().fingerprint();
    o.commands = w.commands;
    o.ok = w.answers_ok;
    o.bad = w.answers_bad;
    o.lost = w.lost;
    o.blocks = w.checked_blocks;
    o.virtual_seconds = static_cast<double>(w.run().time().now()) / 1e9;
    if (!o.failure.empty())
        (void)all.release();  // commands are still outstanding, so it cannot be destroyed
    return o;
}

struct options {
    std::uint64_t first = 1, seeds = 100;
    bool tracing = false, twice = false;
};

[[noreturn]] void usage(const char* program) {
    std::fprintf(stderr,
                 "usage: %s [--seeds N] [--first S] [--twice]    runs seeds S to S + N - 1\n"
                 "       %s --seed K                             runs seed K and says what happens\n"
                 "--twice: each seed two times, which must be equal to the last turn\n",
                 program, program);
    std::exit(2);
}

options parse(int argc, char** argv) {
    options o;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word == "--twice") {
            o.twice = true;
            continue;
        }
        if (i + 1 == argc)
            usage(argv[0]);
        const std::uint64_t n = std::strtoull(argv[++i], nullptr, 10);
        if (word == "--seeds") {
            o.seeds = n;
        } else if (word == "--first") {
            o.first = n;
        } else if (word == "--seed") {
            o.first = n;
            o.seeds = 1;
            o.tracing = true;
        } else {
            usage(argv[0]);
        }
    }
    return o;
}

int run_all(const options& o) {
    outcome sum;
    const auto started = std::chrono::steady_clock::now();
    for (std::uint64_t seed = o.first; seed < o.first + o.seeds; ++seed) {
        outcome one = run(seed, o.tracing);
        if (one.failure.empty() && o.twice && run(seed, false).fingerprint != one.fingerprint)
            one.failure = "the second run was not like the first";
        if (!one.failure.empty()) {
            std::fprintf(stderr, "seed %llu: %s\n", static_cast<unsigned long long>(seed), one.failure.c_str());
            return 1;
        }
        sum.commands += one.commands;
        sum.ok += one.ok;
        sum.bad += one.bad;
        sum.lost += one.lost;
        sum.blocks += one.blocks;
        sum.virtual_seconds += one.virtual_seconds;
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    fmt::print("{} seeds: {} commands, {} answered well, {} with an error, {} lost; {} blocks checked; "
               "{:.0f} s of virtual time in {:.1f} s\n",
               o.seeds, sum.commands, sum.ok, sum.bad, sum.lost, sum.blocks, sum.virtual_seconds, took.count());
    return 0;
}

}  // namespace
}  // namespace causeway::simulation

int main(int argc, char** argv) {
    using namespace causeway;
    const auto options = simulation::parse(argc, argv);
    core::log::set_print_level(options.tracing ? core::log::level::info : core::log::level::error);
    for (int signal : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL})
        std::signal(signal, simulation::on_crash);
    return simulation::run_all(options);
}
