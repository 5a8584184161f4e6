// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "core/task.h"
#include "host/controller.h"
#include "tests/conformance/row.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace causeway::conformance {

/// Runs rows against a target: it exports the subsystem, with namespace 1 of 512-byte blocks, and a discovery service,
/// at one address. Lives on one reactor.
class runner {
  public:
    runner(host::connector& by, std::string subnqn, std::string hostnqn)
        : by_(by), subnqn_(std::move(subnqn)), hostnqn_(std::move(hostnqn)) {}

    /// Connects, runs every row once, disconnects. Calls `on_row` for each, with what was wrong; empty: nothing. The
    /// error says why a row could not be run.
    core::task<core::result<>> run(std::function<void(const row&, const std::string& wrong)> on_row);

  private:
    core::task<core::result<>> connect();
    core::task<core::result<target_info>> ask();
    core::task<core::result<nvme::completion>> send(const row& r);
    core::task<core::result<nvme::completion>> send_first(const row& r);
    core::task<std::string> check(const row& r);
    core::task<std::optional<nvme::error_information_entry>> newest_error();
    host::controller& controller_of(const row& r) { return r.on == queue::discovery ? *discovery_ : *controller_; }

    host::connector& by_;
    const std::string subnqn_, hostnqn_;
    std::optional<host::controller> controller_, discovery_;
};

}  // namespace causeway::conformance
