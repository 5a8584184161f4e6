// SPDX-License-Identifier: Apache-2.0
#include "gateway/options.h"

#include <charconv>
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <sstream>

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

/// An option of SPDK's target, which its scripts give, and which has nothing to change here.
struct spdk_option {
    const char* names;
    bool has_value;
    const char* why;
};
constexpr spdk_option spdk_options[] = {
    {"-i,--shm-id", true, "processes share no memory"},
    {"-e,--tpoint-group", true, "trace points are switched with -L"},
    {"--num-trace-entries", true, "trace points write to the log"},
    {"-g,--single-file-segments", false, "memory is as it suits"},
    {"-n,--mem-channels", true, "memory is as it suits"},
    {"--huge-unlink", false, "huge pages are always unlinked"},
    {"--base-virtaddr", true, "memory is as it suits"},
    {"--iova-mode", true, "the environment finds it out"},
    {"--msg-mempool-size", true, "messages need no pool"},
    {"--max-delay", true, "cores sleep by themselves"},
    {"--interrupt-mode", false, "cores sleep by themselves"},
    {"-d,--limit-coredump", false, "the limit is never changed"},
    {"--disable-cpumask-locks", false, "other processes may always use the cores"},
    {"--json-ignore-init-errors", false, "what fails is tried again, unless --strict-config is given"},
};

/// "--no-huge -m 1024": of the arguments for DPDK's environment, what means something here.
void take_env_context(const std::string& text, options& o) {
    std::istringstream words(text);
    for (std::string word; words >> word;) {
        if (word == "--no-huge") {
            o.environment.no_huge = true;
        } else if (word.starts_with("-m")) {
            std::string mb = word.substr(2);
            if (mb.empty())
                words >> mb;
            if (std::from_chars(mb.data(), mb.data() + mb.size(), o.environment.memory_mb).ptr != mb.data() + mb.size())
                throw CLI::ValidationError("--env-context", "-m must be a number of MiB, not '" + mb + "'");
        } else {
            o.without_effect.push_back("--env-context " + word);
        }
    }
}

/// "rdma", "rdma:4430".
void take_mirror(const std::string& text, options& o) {
    constexpr std::string_view fabric = "rdma";
    const std::size_t colon = text.find(':');
    std::string port = colon == std::string::npos ? "" : text.substr(colon + 1);
    std::uint16_t number = 0;
    const char* const end = port.data() + port.size();
    if (text.substr(0, colon) != fabric ||
        (colon != std::string::npos &&
         (std::from_chars(port.data(), end, number).ptr != end || number == 0 || std::to_string(number) != port)))
        throw CLI::ValidationError("--mirror-listeners", "must be rdma or rdma:PORT, not '" + text + "'");
    o.mirror_port = std::move(port);
}

void declare_spdk_options(CLI::App& app, options& o) {
    constexpr const char* group = "Accepted for scripts of SPDK's target, without effect here";
    for (const auto& declared : spdk_options) {
        const std::string name = std::string(declared.names).substr(std::string(declared.names).find("--"));
        const auto note = [&o, name](auto&&) { o.without_effect.push_back(name); };
        auto* const option = declared.has_value
                                 ? app.add_option_function<std::string>(declared.names, note, declared.why)
                                 : app.add_flag_function(declared.names, note, declared.why);
        option->group(group);
    }
}

}  // namespace

void declare_options(CLI::App& app, options& o) {
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
    app.add_option_function<std::string>(
           "--on-fenced",
           [&o](const std::string& policy) {
               if (policy != "reconnect" && policy != "offline")
                   throw CLI::ValidationError("--on-fenced", "must be one of: reconnect, offline");
               o.fenced_images_stay_offline = policy == "offline";
           },
           "what becomes of the images of a Ceph client that its cluster has blocklisted: reconnect, or offline for "
           "control planes that fence gateways by the address that bdev_rbd_register_cluster answered")
        ->default_str("reconnect");
    app.add_option_function<std::string>(
        "--mirror-listeners", [&o](const std::string& text) { take_mirror(text, o); },
        "rdma[:PORT]: each TCP listener is an RDMA listener, too, at the same port or PORT, for control planes that "
        "know of TCP alone");
    app.add_flag("--wait-for-rpc", o.wait_for_rpc, "start with settings only, until framework_start_init");
    app.add_option("-L,--logflag", o.log_flags, "log what this part does; may be repeated; all: every part")
        ->allow_extra_args(false);
    app.add_option_function<std::string>(
           "--log-format",
           [&o](const std::string& name) {
               if (name != "text" && name != "json")
                   throw CLI::ValidationError("--log-format", "must be one of: text, json");
               o.log_format = name == "json" ? core::log::format::json : core::log::format::text;
           },
           "how the log is written to stderr: text, or json, one object per line")
        ->default_str("text");
    app.add_flag("--poll", o.never_sleep, "cores poll all the time, and never sleep");
    app.add_option("--busy-poll-us", o.busy_poll_us, "how long an idle core polls before it sleeps, us")
        ->check(CLI::Range(0u, 10'000'000u))
        ->capture_default_str();
    app.add_option_function<std::string>(
           "--placement",
           [&o](const std::string& name) {
               const auto policy = core::placement_policy_from(name);
               if (!policy)
                   throw CLI::ValidationError("--placement", "must be one of: round_robin, least_loaded, first");
               o.placement = *policy;
           },
           "which core gets the next disk: round_robin, least_loaded, first")
        ->default_str(std::string(core::to_string(o.placement)));
    app.add_option_function<std::string>(
        "--env-context", [&o](const std::string& text) { take_env_context(text, o); },
        "arguments for DPDK's environment: --no-huge and -m MiB are those above; others have no effect");
    declare_spdk_options(app, o);
}

tl::expected<options, early_exit> parse_options(int argc, const char* const* argv) {
    options o;
    CLI::App app("Causeway: an NVMe over Fabrics gateway to Ceph.", "causewayd");
    app.set_version_flag("--version", "causewayd " CAUSEWAY_VERSION);
    declare_options(app, o);

    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        return tl::make_unexpected(early_exit{0, one_line("") + app.help()});
    } catch (const CLI::CallForVersion& e) {
        return tl::make_unexpected(early_exit{0, std::string(e.what()) + '\n'});
    } catch (const CLI::ParseError& e) {
        return refuse(e.what());
    }

    if (o.wait_for_rpc && !o.config_file.empty())
        return refuse("--wait-for-rpc and a configuration file exclude each other");
    if (o.wait_for_rpc && !o.state_folder.empty())
        return refuse("--wait-for-rpc and --state exclude each other");
    return o;
}

}  // namespace causeway::gateway
