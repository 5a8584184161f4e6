// SPDX-License-Identifier: Apache-2.0
// What a core of this machine loses to others: how long a loop that does nothing is away, seen as latencies of 10 us
// would see it.

#include <algorithm>
#include <chrono>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <sched.h>
#include <vector>

int main(int argc, char** argv) {
    int cpu = 0;
    double seconds = 5, window_us = 10;
    CLI::App app("How long a loop that does nothing is away from its core.");
    app.add_option("--cpu", cpu, "where it runs")->capture_default_str();
    app.add_option("--seconds", seconds, "for how long")->capture_default_str();
    app.add_option("--window-us", window_us, "of what is asked how long it took")->capture_default_str();
    CLI11_PARSE(app, argc, argv);

    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (::sched_setaffinity(0, sizeof set, &set) != 0) {
        std::perror("noise_bench: sched_setaffinity");
        return 1;
    }
    using clock = std::chrono::steady_clock;
    using microseconds = std::chrono::duration<double, std::micro>;
    std::vector<double> took;
    took.reserve(static_cast<std::size_t>(seconds * 1.1e6 / window_us));
    const auto end = clock::now() + std::chrono::duration<double>(seconds);
    for (auto begin = clock::now(); begin < end;) {
        auto now = clock::now();
        while (microseconds(now - begin).count() < window_us)
            now = clock::now();
        took.push_back(microseconds(now - begin).count());
        begin = now;
    }
    std::sort(took.begin(), took.end());
    const auto at = [&](double share) {
        return took[static_cast<std::size_t>(static_cast<double>(took.size() - 1) * share)];
    };
    std::printf("windows of %g us: p50 %.1f, p99 %.1f, p99.9 %.1f, p99.99 %.1f, max %.1f us\n", window_us, at(0.5),
                at(0.99), at(0.999), at(0.9999), took.back());
    return 0;
}
