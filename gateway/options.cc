// SPDX-License-Identifier: Apache-2.0
#include "gateway/options.h"

#include "core/log.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace causeway::gateway {

namespace {

constexpr int bad_usage = 2;

/// One line, whatever a library had to say.
std::string one_line(std::string text) {
    while (!text.empty() && text.back() == '\n')
        text.pop_back();
    for (char& c : text)
        if (c == '\n')
            c = ' ';
    return text;
}

tl::unexpected<early_exit> refuse(const std::string& why) {
    return tl::make_unexpected(
        early_exit{bad_usage, fmt::format("causewayd: {} (see causewayd --help)", one_line(why))});
}

}  // namespace

tl::expected<options, early_exit> parse_options(int argc, const char* const* argv) {
    options o;
    std::string placement{core::to_string(o.placement)};

    CLI::App app("Causeway: an NVMe over Fabrics gateway to Ceph.", "causewayd");
    app.set_version_flag("--version", "causewayd " CAUSEWAY_VERSION);
    app.get_formatter()->column_width(34);

    auto* const mask =
        app.add_option("-m,--cpumask", o.environment.core_mask, "cores: 0x3, or [0,2-3]; default: the first CPU");
    app.add_option("--lcores", o.environment.lcores, "cores, as DPDK writes them: 0@4,1@5")->excludes(mask);
    app.add_option("-s,--mem-size", o.environment.memory_mb, "memory for data, MiB")->check(CLI::Range(64u, 1u << 24));
    app.add_flag("--no-huge", o.environment.no_huge, "do without huge pages");
    app.add_flag("-u,--no-pci", o.no_pci, "look for no PCI devices: there are no local SSDs");
    app.add_option("-r,--rpc-socket", o.rpc_socket, "where JSON-RPC listens")->capture_default_str();
    app.add_option("-c,--json,--config", o.config_file,
                   "configuration to begin with, as framework_get_config gives it");
    app.add_option("--state", o.state_folder,
                   "folder where the configuration is kept: each change is stored there before it is answered, and "
                   "the next start begins with it");
    app.add_flag("--strict-config", o.strict_config, "end if any call of the configuration fails");
    app.add_option("--metrics", o.metrics_address,
                   "serve metrics at http://ADDRESS:PORT/metrics, for Prometheus: 127.0.0.1:10008");
    app.add_flag("--wait-for-rpc", o.wait_for_rpc, "start with settings only, until framework_start_init");
    app.add_option("-L,--logflag", o.log_flags, "log what this part does; may be repeated; all: every part")
        ->allow_extra_args(false);
    app.add_flag("--poll", o.never_sleep, "cores poll all the time, and never sleep");
    app.add_option("--busy-poll-us", o.busy_poll_us, "how long an idle core polls before it sleeps, us")
        ->check(CLI::Range(0u, 10'000'000u))
        ->capture_default_str();
    app.add_option("--placement", placement, "which core gets the next disk: round_robin, least_loaded, first")
        ->capture_default_str();

    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        return tl::make_unexpected(early_exit{0, one_line("") + app.help()});
    } catch (const CLI::CallForVersion& e) {
        return tl::make_unexpected(early_exit{0, std::string(e.what()) + '\n'});
    } catch (const CLI::ParseError& e) {
        return refuse(e.what());
    }

    const auto policy = core::placement_policy_from(placement);
    if (!policy)
        return refuse("--placement: must be one of: round_robin, least_loaded, first");
    o.placement = *policy;
    if (o.wait_for_rpc && !o.config_file.empty())
        return refuse("--wait-for-rpc and a configuration file exclude each other");
    if (o.wait_for_rpc && !o.state_folder.empty())
        return refuse("--wait-for-rpc and --state exclude each other");
    return o;
}

}  // namespace causeway::gateway
