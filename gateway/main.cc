// SPDX-License-Identifier: Apache-2.0
#include "core/log_event.h"
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
    if (core::log::get_format() == core::log::format::json)
        core::log::error("{}", why);
    else
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

/// The state that was kept; where there is none yet, the configuration file, if one is given.
core::result<gateway::gateway::beginning> read_beginning(const gateway::options& o) {
    gateway::gateway::beginning b;
    if (!o.state_folder.empty()) {
        auto folder = gateway::state_folder::open(o.state_folder);
        if (!folder)
            return tl::make_unexpected(folder.error());
        b.state = std::move(*folder);
        const auto kept = b.state->file().load();
        if (!kept)
            return tl::make_unexpected(kept.error());
        if (*kept) {
            b.source = b.state->file().path();
            auto calls = gateway::parse_config(**kept);
            if (!calls)
                return core::fail(calls.error().code, calls.error().text(), b.source);
            b.calls = std::move(*calls);
            if (!o.config_file.empty())
                core::log::notice("{} is not read: the state in {} is newer", o.config_file, b.source);
            return b;
        }
    }
    if (!o.config_file.empty()) {
        b.source = o.config_file;
        auto calls = gateway::read_config(o.config_file);
        if (!calls)
            return tl::make_unexpected(calls.error());
        b.calls = std::move(*calls);
    }
    return b;
}

int start(const gateway::options& o) {
    gateway::block_signals();  // before there is any other thread
    core::log::set_format(o.log_format);
    for (const auto& name : o.log_flags)
        if (!core::log::flag::set(name, true))
            return refuse("--logflag: no such log flag: " + name + ": use one of all, " + core::trace::flag_names());

    for (const auto& option : o.without_effect)
        core::log::notice("{}: accepted, and without effect here", option);

    auto beginning = read_beginning(o);
    if (!beginning)
        return refuse(beginning.error().text());
    // Before memory is taken and cores are pinned: a second gateway ends here.
    auto socket = net::unix_listener::listen(o.rpc_socket);
    if (!socket)
        return refuse(socket.error().text());

    const auto cpus = allowed_cpus();
    const auto environment = core::environment::start(o.environment);
    if (!environment)
        return refuse(environment.error().text());

    gateway::gateway all(o, *environment, without(cpus, environment->cpus()), std::move(*socket),
                         std::move(*beginning));
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
