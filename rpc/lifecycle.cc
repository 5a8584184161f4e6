// SPDX-License-Identifier: Apache-2.0
#include "rpc/lifecycle.h"

namespace causeway::rpc {

core::task<core::result<>> lifecycle::start() {
    if (now_ == state::runtime || starting_)
        co_return core::fail(EALREADY, "initialization has begun already");
    starting_ = true;
    auto done = co_await initialize_();
    starting_ = false;
    if (!done)
        co_return done;
    now_ = state::runtime;
    if (!held_)
        end_waiting(true);
    co_return core::result<>{};
}

void lifecycle::release() {
    held_ = false;
    if (now_ == state::runtime)
        end_waiting(true);
}

core::task<core::result<>> lifecycle::wait() {
    if (now_ == state::runtime && !held_)
        co_return readiness_();
    if (!abandoned_) {
        const auto mine = std::make_shared<core::one_shot<bool>>();
        waiters_.push_back(mine);
        core::one_shot<bool>& come = *mine;
        if (co_await come)
            co_return readiness_();
    }
    co_return core::fail(ECANCELED, "the gateway is shutting down");
}

void lifecycle::abandon() {
    abandoned_ = true;
    end_waiting(false);
}

void lifecycle::end_waiting(bool has_come) {
    for (auto& w : std::exchange(waiters_, {}))
        w->set(has_come);
}

}  // namespace causeway::rpc
