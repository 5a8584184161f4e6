// A host that keeps to no rule: sends what no host should, over verbs of its own, and looks at what the target makes of it.
// Writes to the first blocks of the namespace that it is given.

#include "tests/hostile/cases.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fmt/format.h>

using namespace causeway::hostile;

namespace {

std::vector<hostile_case> all_cases() {
    std::vector<hostile_case> all;
    for (const auto list : {connect_cases(), sgl_cases(), capsule_cases(), flood_cases(), leave_cases()})
        all.insert(all.end(), list.begin(), list.end());
    return all;
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
    app.add_option("names", names, "cases to run; all of them if none is named");
    app.add_option("-a,--address", at.address, "of the target")->capture_default_str();
    app.add_option("-s,--port", at.port)->capture_default_str();
    app.add_option("-n,--nqn", at.nqn, "of a subsystem that any host may use");
    app.add_option("--nsid", at.nsid, "of a namespace that may be written to")->capture_default_str();
    app.add_option("-q,--host-nqn", at.host_nqn)->capture_default_str();
    app.add_option("--patience", patience_s, "seconds to wait for one answer")->capture_default_str();
    app.add_flag("-l,--list", list, "names the cases and ends");
    CLI11_PARSE(app, argc, argv);
    at.patience = std::chrono::seconds(patience_s);

    const auto all = all_cases();
    if (list) {
        for (const auto& c : all)
            fmt::print("{:24} {}\n", c.name, c.sentence);
        return 0;
    }
    if (at.nqn.empty()) {
        fmt::print(stderr, "hostile_client: which subsystem? (--nqn)\n");
        return 2;
    }
    for (const auto& n : names) {
        if (std::none_of(all.begin(), all.end(), [&](const auto& c) { return c.name == n; })) {
            fmt::print(stderr, "hostile_client: no such case: {} (see --list)\n", n);
            return 2;
        }
    }
    unsigned good = 0, bad = 0;
    for (const auto& c : all)
        if (names.empty() || std::find(names.begin(), names.end(), c.name) != names.end())
            ++(run(c, at) ? good : bad);
    fmt::print("{} as expected, {} not\n", good, bad);
    return bad == 0 ? 0 : 1;
}
