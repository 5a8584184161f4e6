// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/keep_alive.h"

#include "nvmf/model/controller.h"

namespace causeway::nvmf {

keep_alive::keep_alive(core::reactor& control, core::reactor& queue)
    : control_(control), queue_(queue), last_refresh_(queue.time().now()),
      timer_(control, [this] { core::detach(look(controller_->shared_from_this())); }) {}

void keep_alive::start(controller& c, core::nanoseconds timeout, bool any_command) {
    controller_ = &c;
    timeout_ = timeout;
    any_command_.store(any_command, std::memory_order_relaxed);
    refresh();
    if (timeout.count() == 0)
        timer_.cancel();
    else
        arm(timeout);
}

void keep_alive::stop() noexcept {
    timeout_ = {};
    timer_.cancel();
}

core::task<> keep_alive::look(std::shared_ptr<controller> c) {
    keep_alive& self = c->keep_alive_timer();
    co_await core::switch_to(self.queue_);
    // Two turns, so that its pollers have run once between them.
    co_await core::yield();
    co_await core::yield();
    co_await core::switch_to(self.control_);
    if (self.timeout_.count() == 0 || self.timer_.armed())  // stopped or started anew in the meantime
        co_return;
    const core::clock& time = self.control_.time();
    // By another core's stamp: it may be later than `now`.
    const core::ticks now = time.now();
    const core::ticks heard = std::min(self.last_refresh_.load(std::memory_order_relaxed), now);
    const core::nanoseconds silent = time.to_nanoseconds(now - heard);
    if (silent < self.timeout_)
        self.arm(self.timeout_ - silent);
    else
        c->on_keep_alive_timeout();
}

}  // namespace causeway::nvmf
