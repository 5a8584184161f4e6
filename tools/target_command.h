// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/perf_options.h"

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

namespace causeway::tools {

/// Exit status of the commands that connect to a target.
enum exit_status { done = 0, failed = 1, bad_usage = 2, no_connection = 3 };

/// What is said of a target on the command line, as people know it from nvme-cli.
class target_arguments {
  public:
    /// `subnqn`: the default; nullptr: it has to be given.
    void add_to(CLI::App& command, const char* subnqn = nullptr);
    /// What was given. Throws CLI::ValidationError.
    target_options get() const;

  private:
    void encrypt(target_options& o) const;
    void authenticate(target_options& o) const;

    std::string transport_ = "tcp", host_, service_ = "4420", subnqn_, hostnqn_, psk_file_;
    std::string dhchap_file_, dhchap_ctrl_file_;
    std::vector<std::string> to_;
    double kato_ = 15;
    bool header_digest_ = false, data_digest_ = false;
};

/// "tcp:10.0.0.1:4420", "10.0.0.1", "[fe80::1]:4420". Throws CLI::ValidationError.
host::address parse_address(const std::string& text);

// Each adds its command to `app`. When the command is parsed, `what` is set to a function that runs it and returns the
// exit status.
void add_perf_command(CLI::App& app, std::function<int()>& what);
void add_identify_command(CLI::App& app, std::function<int()>& what);
void add_discover_command(CLI::App& app, std::function<int()>& what);
void add_export_command(CLI::App& app, std::function<int()>& what);
void add_doctor_command(CLI::App& app, std::function<int()>& what);
void add_apply_commands(CLI::App& app, std::function<int()>& what);  ///< apply, diff, export-config

}  // namespace causeway::tools
