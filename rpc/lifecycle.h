// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "rpc/method.h"

#include <functional>
#include <memory>
#include <vector>

namespace causeway::rpc {

/// Where the process stands: first `startup`, in which only settings can be made, then `runtime`. Control reactor.
class lifecycle {
  public:
    /// What stands between the two: building all that the settings are for.
    using initializer = std::function<core::task<core::result<>>()>;
    explicit lifecycle(initializer initialize) : initialize_(std::move(initialize)) {}

    state now() const noexcept { return now_; }

    /// Goes to `runtime`. EALREADY: it has, or is about to. After a failure it may be tried again.
    core::task<core::result<>> start();
    /// Ends when `runtime` has come and all is ready; ECANCELED: it never will. Where the configuration is not
    /// complete, what set_readiness() says.
    core::task<core::result<>> wait();
    /// What wait() answers in `runtime`; ok if this is not called.
    void set_readiness(std::function<core::result<>()> f) { readiness_ = std::move(f); }
    /// From here to release(), wait() goes on waiting in `runtime` too: a configuration is being replayed.
    void hold() noexcept { held_ = true; }
    void release();
    /// The process ends: all waiters continue.
    void abandon();

  private:
    using waiter = std::shared_ptr<core::one_shot<bool>>;
    void end_waiting(bool has_come);

    initializer initialize_;
    std::function<core::result<>()> readiness_ = [] { return core::result<>{}; };
    state now_ = state::startup;
    bool starting_ = false;
    bool held_ = false;
    bool abandoned_ = false;
    std::vector<waiter> waiters_;
};

}  // namespace causeway::rpc
