// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/environment.h"
#include "core/log_event.h"
#include "core/placement.h"

#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

namespace CLI {
class App;
}

namespace causeway::gateway {

/// What the command line says.
struct options {
    core::environment_options environment;
    std::string rpc_socket = "/var/tmp/spdk.sock";
    std::string config_file;      ///< empty: none
    std::string state_folder;     ///< empty: changes are not kept
    std::string metrics_address;  ///< empty: metrics are not served
    /// Each TCP listener is an RDMA listener at this port, too; empty: at its own. nullopt: not so.
    std::optional<std::string> mirror_port;
    std::vector<std::string> log_flags;
    core::log::format log_format = core::log::format::text;
    bool strict_config = false;
    bool wait_for_rpc = false;
    bool never_sleep = false;
    bool no_pci = false;
    unsigned busy_poll_us = 50;
    bool fenced_images_stay_offline = false;  ///< unless bdev_rbd_register_cluster says otherwise
    core::placement_policy placement = core::placement_policy::round_robin;
    std::vector<std::string> without_effect;  ///< what was given for SPDK's target and changes nothing here
};

/// The command line asks for nothing to run: say `text` and end.
struct early_exit {
    int exit_code;  ///< 0: it was a question (--help, --version), and goes to stdout
    std::string text;
};

/// Declares the options, which fill `o` when `app` is parsed. `o` outlives `app`.
void declare_options(CLI::App& app, options& o);

tl::expected<options, early_exit> parse_options(int argc, const char* const* argv);

}  // namespace causeway::gateway
