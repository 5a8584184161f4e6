// SPDX-License-Identifier: Apache-2.0
#include "bdev_rbd/allocation.h"

#include "core/log.h"
#include "core/reactor.h"

#include <cerrno>
#include <utility>

namespace causeway::bdev_rbd {

allocation::allocation(core::reactor& control, std::function<void()> due)
    : timer_(control, [this, due = std::move(due)] {
          if (changed_.load(std::memory_order_relaxed))
              due();
      }) {}

void allocation::refresh(image& i) {
    const core::clock& time = core::reactor::current()->time();
    const core::ticks now = time.now();
    if (current_ || (counted_ && now < counted_at_ + time.to_ticks(min_age)))
        return;
    counted_ = true;
    counted_at_ = now;
    changed_.store(false, std::memory_order_relaxed);
    current_ = std::make_shared<count>(i);
    core::detach(run(current_, i.owner().threads()));
}

/// `threads` live as long as the work that waits there.
core::task<> allocation::run(std::shared_ptr<count> c, std::shared_ptr<ceph::cluster_threads> threads) {
    const auto counted = co_await core::run_on(threads->one_at_a_time(), [c]() -> core::result<std::uint64_t> {
        phase expected = phase::waiting;
        if (!c->state.compare_exchange_strong(expected, phase::counting))
            return core::fail(ECANCELED, "the image is being closed", "");
        return c->of.allocated_bytes();
    });
    if (c->state == phase::cancelled)
        co_return;  // this may be gone
    current_ = nullptr;
    if (std::exchange(countable_, counted.has_value()) && !counted)
        core::log::info("how much is allocated is unknown: {}", counted.error().text());
    bytes_ = counted.value_or(unknown);
    ended_.notify_all();
}

core::task<> allocation::stop() {
    if (!current_)
        co_return;
    phase expected = phase::waiting;
    if (current_->state.compare_exchange_strong(expected, phase::cancelled))
        current_ = nullptr;
    co_await ended_.wait([this] { return !current_; });
}

}  // namespace causeway::bdev_rbd
