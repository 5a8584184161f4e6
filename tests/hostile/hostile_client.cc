// SPDX-License-Identifier: Apache-2.0
// A host that breaks every rule: it sends what no host may send, directly by verbs, and checks the target's reaction.
// It writes to the first blocks of the namespace that it is given.

#include "tests/hostile/cases.h"

#include <algorithm>
#include <CLI/CLI.hpp>
#include <fmt/format.h>

using namespace causeway::hostile;

namespace {

struct group {
    std::string_view name;
    std::span<const hostile_case> cases;
};

std::vector<group> all_groups() {
    return {{"connect", connect_cases()},
            {"sgl", sgl_cases()},
            {"capsule", capsule_cases()},
            {"flood", flood_cases()},
            {"leave", leave_cases()}};
}

/// Whether the command line asks for a case: by its name, by its group's, or by naming nothing.
bool is_wanted(const std::vector<std::string>& names, const group& g, const hostile_case& c) {
    return names.empty() ||
           std::any_of(names.begin(), names.end(), [&](const std::string& n) { return n == c.name || n == g.name; });
}

bool run(const hostile_case& c, const endpoint& at) {
    const auto begin = std::chrono::steady_clock::now();
    std::string seen;
    bool good = true;
    try {
        seen = c.run(at);
    } catch (const std::exception& e) {
        seen = e.what();
        good = false;
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    fmt::print("{} {:24} {}: {} ({:.1f} s)\n", good ? "ok  " : "FAIL", c.name, c.sentence, seen, took.count());
    std::fflush(stdout);
    return good;
}

}  // namespace

int main(int argc, char** argv) {
    endpoint at;
    std::vector<std::string> names;
    bool list = false;
    unsigned patience_s = 20;
    CLI::App app("Sends a target what a hostile host would, and checks what comes of it.");
    app.add_option("names", names, "cases or groups of them to run; all if none is named");
    app.add_option("-a,--address", at.address, "of the target")->capture_default_str();
    app.add_option("-s,--port", at.port)->capture_default_str();
    app.add_option("-n,--nqn", at.nqn, "of a subsystem that any host may use");
    app.add_option("--nsid", at.nsid, "of a namespace that may be written to")->capture_default_str();
    app.add_option("-q,--host-nqn", at.host_nqn)->capture_default_str();
    app.add_option("--patience", patience_s, "seconds to wait for one answer")->capture_default_str();
    app.add_flag("-l,--list", list, "names the cases and ends");
    CLI11_PARSE(app, argc, argv);
    at.patience = std::chrono::seconds(patience_s);

    const auto groups = all_groups();
    if (list) {
        for (const auto& g : groups) {
            fmt::print("{}\n", g.name);
            for (const auto& c : g.cases)
                fmt::print("  {:24} {}\n", c.name, c.sentence);
        }
        return 0;
    }
    if (at.nqn.empty()) {
        fmt::print(stderr, "hostile_client: which subsystem? (--nqn)\n");
        return 2;
    }
    for (const auto& n : names) {
        const bool known = std::any_of(groups.begin(), groups.end(), [&](const group& g) {
            return g.name == n ||
                   std::any_of(g.cases.begin(), g.cases.end(), [&](const auto& c) { return c.name == n; });
        });
        if (!known) {
            fmt::print(stderr, "hostile_client: no such case or group: {} (see --list)\n", n);
            return 2;
        }
    }
    unsigned good = 0, bad = 0;
    for (const auto& g : groups)
        for (const auto& c : g.cases)
            if (is_wanted(names, g, c))
                ++(run(c, at) ? good : bad);
    fmt::print("{} as expected, {} not\n", good, bad);
    return bad == 0 ? 0 : 1;
}
