// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/controller.h"

#include "bdev_nvme/enable.h"
#include "bdev_nvme/status.h"
#include "core/log_event.h"
#include "nvme/make_command.h"

#include <cassert>

namespace causeway::bdev_nvme {

using namespace std::chrono_literals;

namespace {

constexpr auto watch_period = 1s;
// A controller that does not say how long its shutdown takes gets as long as Linux gives it.
constexpr auto shutdown_limit = 5s;
constexpr auto longest_shutdown = 15s;

}  // namespace

std::string_view to_string(controller::state s) noexcept {
    switch (s) {
    case controller::state::enabled: return "enabled";
    case controller::state::resetting: return "resetting";
    case controller::state::failed: return "failed";
    case controller::state::removed: return "removed";
    case controller::state::closed: return "closed";
    }
    return "?";
}

controller::controller(core::reactor_group& group, std::unique_ptr<function> f, controller_options o)
    : group_(group), function_(std::move(f)), address_(function_->address()), numa_node_(function_->numa_node()),
      options_(o), registers_(function_->registers()), admin_(group.control(), address_) {
    queue_pair::owner& self = *this;
    for (const auto& r : group_)
        queues_.push_back(std::make_unique<queue_pair>(*r, self, function_->reach()));
}

controller::~controller() {
    assert(state_ == state::closed);
}

core::task<core::result<std::shared_ptr<controller>>>
controller::start(core::reactor_group& group, std::unique_ptr<function> f, controller_options o) {
    std::shared_ptr<controller> c(new controller(group, std::move(f), o));
    // The bus may take the function at any time, from any thread.
    c->function_->on_removal([weak = c->weak_from_this(), &control = group.control()] {
        control.execute([weak] {
            if (const auto self = weak.lock())
                core::detach(self->lose());
        });
    });
    auto lock = co_await c->one_at_a_time_.lock();
    core::result<> ready = c->admin_.allocate();
    if (ready)
        ready = co_await c->bring_up();
    if (ready)
        co_await c->open_queues();
    lock.unlock();
    if (!ready) {
        co_await c->close();
        co_return tl::make_unexpected(ready.error());
    }
    c->watch_.emplace(group.control(), [self = c.get()] { self->watch(); });
    c->watch_->arm_every(watch_period);
    co_return c;
}

// Its queues, all cores in turn.

core::task<> controller::open_queues() {
    const core::nanoseconds timeout = options_.io_timeout;  // a copy: options are the control reactor's
    co_await core::for_each_reactor(group_, [&](core::reactor& r) {
        if (r.index() < queue_count_)
            queues_[r.index()]->open(timeout);
    });
    if (timeout != options_.io_timeout)
        co_await propagate_timeout();
    if (state_ == state::resetting)  // it may have been removed meanwhile
        state_ = state::enabled;
    if (!broken_meanwhile_.empty())
        schedule_reset(std::exchange(broken_meanwhile_, {}));
}

core::task<> controller::stop_io() {
    co_await core::for_each_reactor(group_, [&](core::reactor& r) { queues_[r.index()]->pause(); });
}

/// Ends when the device cannot touch our memory any more. One that cannot be stopped is released to the kernel, which
/// resets a device that no process holds; after that there are no registers either. REQUIRES: its queues are paused.
core::task<> controller::disable_dma() {
    if (!function_ || function_->stop_dma())
        co_return;
    core::log::error("{}: cannot stop its access to memory; releasing it to the kernel, which resets it", address_);
    function_->on_removal(nullptr);
    co_await core::run_blocking(group_, [this] { function_.reset(); });
}

core::task<> controller::abort_outstanding(nvme::status s) {
    co_await core::for_each_reactor(group_, [&](core::reactor& r) { queues_[r.index()]->abort_outstanding(s); });
}

core::task<> controller::fail_queues() {
    co_await core::for_each_reactor(group_, [&](core::reactor& r) { queues_[r.index()]->fail(lost); });
}

void controller::set_options(const controller_options& o) {
    options_ = o;
    admin_.set_limits({options_.admin_timeout, options_.admin_poll_period});
    core::detach(propagate_timeout());
}

core::task<> controller::propagate_timeout() {
    const auto self = shared_from_this();
    const core::nanoseconds timeout = options_.io_timeout;
    co_await core::for_each_reactor(group_, [&](core::reactor& r) { queues_[r.index()]->set_timeout(timeout); });
}

// Reset.

core::task<core::result<>> controller::reset(std::string why) {
    const auto self = shared_from_this();
    const auto lock = co_await one_at_a_time_.lock();
    co_return co_await reset_now(std::move(why));
}

/// What is in flight is answered only once the controller has forgotten its queues, or is cut off from memory: before
/// that it might still write into buffers that are others' by then.
core::task<core::result<>> controller::reset_now(std::string why) {
    reset_wanted_ = false;
    if (state_ == state::removed || state_ == state::closed || !function_)
        co_return core::fail(ENODEV, "the controller is gone", address_);
    core::log::report(core::log::event::ssd_reset, {{"controller", address_}}, "{}: reset: {}", address_, why);
    ++stats_.resets;
    state_ = state::resetting;
    co_await stop_io();
    broken_meanwhile_.clear();  // what queues said before they stopped
    admin_.close({ECANCELED, "the controller is being reset", address_});
    auto ready = co_await disable(registers_, address_);
    if (!ready)
        co_await disable_dma();
    co_await abort_outstanding(interrupted);
    if (ready)
        ready = co_await bring_up();
    if (state_ == state::removed)  // meanwhile; lose() goes on when it has its turn
        co_return core::fail(ENODEV, "the controller is gone", address_);
    if (!ready) {
        ++stats_.failed_resets;
        const bool gone = ready.error().code == ENODEV;  // and that is not known yet
        core::log::report(core::log::event::ssd_failed, {{"controller", address_}},
                          "{}; the controller {}, its I/O is refused from now on", ready.error().text(),
                          gone ? "is gone" : "has failed");
        co_await close_for_good(gone ? state::removed : state::failed);
        if (gone && observer_)
            observer_->removed(*this);
        co_return ready;
    }
    co_await open_queues();
    if (observer_)
        observer_->namespaces_changed(*this);
    core::log::notice("{}: reset done", address_);
    co_return core::result<>();
}

/// REQUIRES: nothing is with the device.
core::task<> controller::close_for_good(state s) {
    admin_.close({ENODEV, s == state::removed ? "the controller is gone" : "the controller has failed", address_});
    co_await disable_dma();
    state_ = s;
    co_await fail_queues();
}

void controller::schedule_reset(std::string why) {
    if (state_ == state::resetting)  // a queue that was opened before the others, say
        broken_meanwhile_ = std::move(why);
    if (state_ != state::enabled || std::exchange(reset_wanted_, true))
        return;
    core::detach(reset(std::move(why)), [](const core::result<>&) {});
}

/// The function goes. In an orderly removal it is still there and is disabled; otherwise it reads all ones, and touches
/// nothing.
core::task<> controller::lose() {
    const auto self = shared_from_this();
    if (state_ == state::removed || state_ == state::closed)
        co_return;
    core::log::warning("{}: the device is being removed", address_);
    state_ = state::removed;
    admin_.close({ENODEV, "the controller is gone", address_});
    auto lock = co_await one_at_a_time_.lock();
    if (state_ != state::closed) {
        co_await stop_io();
        if (function_)
            co_await disable(registers_, address_);
        co_await disable_dma();
        co_await abort_outstanding(lost);
        co_await close_for_good(state::removed);
    }
    lock.unlock();
    if (observer_)
        observer_->removed(*this);
}

core::task<> controller::close() {
    const auto self = shared_from_this();
    const auto lock = co_await one_at_a_time_.lock();
    if (state_ != state::closed) {
        watch_.reset();
        const bool there = state_ == state::enabled;
        co_await stop_io();
        if (there)
            co_await delete_queues();
        admin_.close({ENODEV, "the controller is closed", address_});
        co_await events_in_progress_.close();
        if (there) {
            const core::nanoseconds asked = std::chrono::microseconds(info_.shutdown_us);
            const auto limit = std::clamp<core::nanoseconds>(asked, shutdown_limit, longest_shutdown);
            if (const auto ended = co_await shut_down(registers_, limit, address_); !ended)
                core::log::warning("{}", ended.error().text());
        }
        if (function_)
            co_await disable(registers_, address_);
        co_await disable_dma();
        co_await abort_outstanding(lost);
        state_ = state::closed;
        co_await fail_queues();
        if (function_)
            function_->on_removal(nullptr);
        co_await core::run_blocking(group_, [this] { function_.reset(); });  // the kernel resets the device
    }
}

// What queues report.

void controller::queue_broken(queue_pair& q, const char* why) noexcept {
    group_.control().execute([weak = weak_from_this(), text = fmt::format("queue {}: {}", q.qid(), why)] {
        if (const auto self = weak.lock())
            self->schedule_reset(text);
    });
}

void controller::command_timed_out(queue_pair& q, std::uint16_t cid, bool again) noexcept {
    group_.control().execute([weak = weak_from_this(), qid = q.qid(), cid, again] {
        const auto self = weak.lock();
        if (!self || self->state_ != state::enabled)
            return;
        static core::log::limiter limiter;  // a queue that hangs has hundreds of them
        core::log::peer_warning(limiter, "{}: command {:04x}h of queue {} timed out", self->address_, cid, qid);
        if (self->options_.on_timeout == timeout_action::none)
            return;
        if (again || self->options_.on_timeout == timeout_action::reset)
            self->schedule_reset("a command timed out");
        else
            core::detach(self->abort(qid, cid));
    });
}

/// The command itself comes back when it has been aborted. If it does not, its time runs out once more.
core::task<> controller::abort(std::uint16_t qid, std::uint16_t cid) {
    const auto self = shared_from_this();
    ++stats_.aborts;
    const auto done = co_await admin_.run(nvme::make_abort(qid, cid));
    if (!done && done.error().code == ETIMEDOUT && state_ == state::enabled)
        schedule_reset("it does not complete an Abort");
}

}  // namespace causeway::bdev_nvme
