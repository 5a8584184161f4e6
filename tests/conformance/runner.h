// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/event.h"
#include "core/result.h"
#include "core/task.h"
#include "host/controller.h"
#include "tests/conformance/row.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace causeway::conformance {

using bytes = std::vector<std::byte>;

/// What a target exports at one address, beside a discovery service. README.md says how it must be prepared.
struct subsystems {
    std::string nqn;             ///< with namespace 1 of 512-byte blocks
    std::string ana;             ///< that reports ANA; empty: none, and its rows are left out
    std::string authentication;  ///< where the host must authenticate; empty:
                                 ///< none, and its rows are left out
};

/// What an operator does to the subsystem that reports ANA.
using ana_setter = std::function<core::task<core::result<>>(ana_change)>;

/// Runs rows against a target. Lives on one reactor.
class runner {
  public:
    /// Without `set_ana` the rows in which ANA states change are left out.
    runner(host::connector& by, subsystems at, std::string hostnqn, ana_setter set_ana = {})
        : by_(by), at_(std::move(at)), hostnqn_(std::move(hostnqn)), set_ana_(std::move(set_ana)) {}

    /// Connects, runs every row once, disconnects. Calls `on_row` for each, with what was wrong; empty: nothing. The
    /// error says why a row could not be run.
    core::task<core::result<>> run(std::function<void(const row&, const std::string& wrong)> on_row);

  private:
    core::task<core::result<>> connect();
    core::task<core::result<>> connect(std::unique_ptr<host::controller>& to, std::string subnqn, bool io,
                                       std::optional<host::dhchap_credentials> keys = std::nullopt);
    core::task<> disconnect();
    core::task<core::result<target_info>> ask();
    core::task<core::result<nvme::completion>> send(const row& r, bytes& data);
    core::task<core::result<nvme::completion>> send_first(const row& r);
    core::task<core::result<>> change_ana(const row& r);
    core::task<std::string> check(const row& r);
    core::task<std::string> check_authentication(const row& r);
    core::task<std::string> check_answer(const row& r);
    core::task<std::optional<nvme::error_information_entry>> newest_error(host::controller& of);
    /// The controller whose queues a row uses; nullptr: the row has a connection of its own.
    host::controller* controller_of(const row& r) noexcept;

    host::connector& by_;
    const subsystems at_;
    const std::string hostnqn_;
    const ana_setter set_ana_;
    std::unique_ptr<host::controller> controller_, discovery_, ana_, authenticated_;
    core::event ana_changed_;  ///< an event has come
    std::uint32_t event_ = 0;  ///< its Dword 0
};

}  // namespace causeway::conformance
