// SPDX-License-Identifier: Apache-2.0
#include "core/trace.h"
#include "gateway/config_file.h"
#include "gateway/gateway.h"

#include <algorithm>
#include <fmt/format.h>
#include <sched.h>

using namespace causeway;

namespace {

constexpr int cannot_start = 1;

int refuse(const std::string& why) {
    fmt::print(stderr, "causewayd: {}\n", why);
    return cannot_start;
}

/// Where this process may run, before anything is pinned.
std::vector<unsigned> allowed_cpus() {
    cpu_set_t set;
    std::vector<unsigned> cpus;
    if (::sched_getaffinity(0, sizeof set, &set) == 0)
        for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu)
            if (CPU_ISSET(cpu, &set))
                cpus.push_back(cpu);
    return cpus;
}

std::vector<unsigned> without(std::vector<unsigned> cpus, const std::vector<unsigned>& others) {
    std::erase_if(cpus, [&](unsigned cpu) { return std::ranges::find(others, cpu) != others.end(); });
    return cpus;
}

int start(const gateway::options& o) {
    for (const auto& name : o.log_flags)
        if (!core::log::flag::set(name, true))
            return refuse("--logflag: no such log flag: " + name + ": use one of all, " + core::trace::flag_names());

    std::vector<rpc::config_call> calls;
    if (!o.config_file.empty()) {
        auto read = gateway::read_config(o.config_file);
        if (!read)
            return refuse(read.error().text());
        calls = std::move(*read);
    }
    // Before memory is taken and cores are pinned: a second gateway ends here.
    auto socket = net::unix_listener::listen(o.rpc_socket);
    if (!socket)
        return refuse(socket.error().text());

    gateway::block_signals();
    const auto cpus = allowed_cpus();
    const auto environment = core::environment::start(o.environment);
    if (!environment)
        return refuse(environment.error().text());

    gateway::gateway all(o, *environment, without(cpus, environment->cpus()), std::move(*socket), std::move(calls));
    return static_cast<int>(all.run());
}

}  // namespace

int main(int argc, char** argv) {
    const auto o = gateway::parse_options(argc, argv);
    if (!o) {
        const auto& words = o.error();
        fmt::print(words.exit_code ? stderr : stdout, "{}", words.text);
        if (words.exit_code)
            fmt::print(stderr, "\n");
        return words.exit_code;
    }
    return start(*o);
}
