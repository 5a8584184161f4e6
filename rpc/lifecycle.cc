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
    release_waiters(true);
    co_return core::result<>{};
}

core::task<core::result<>> lifecycle::wait() {
    if (now_ == state::runtime)
        co_return core::result<>{};
    if (!abandoned_) {
        const auto mine = std::make_shared<core::one_shot<bool>>();
        waiters_.push_back(mine);
        core::one_shot<bool>& come = *mine;
        if (co_await come)
            co_return core::result<>{};
    }
    co_return core::fail(ECANCELED, "the gateway ends");
}

void lifecycle::abandon() {
    abandoned_ = true;
    release_waiters(false);
}

void lifecycle::release_waiters(bool has_come) {
    for (auto& w : std::exchange(waiters_, {}))
        w->set(has_come);
}

} // namespace causeway::rpc
