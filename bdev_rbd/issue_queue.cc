// SPDX-License-Identifier: Apache-2.0
#include "bdev_rbd/issue_queue.h"

#include <utility>

namespace causeway::bdev_rbd {

issue_queue::issue_queue(core::reactor& home, std::shared_ptr<ceph::outstanding_operations> client, cost_function cost,
                         issue_function issue) noexcept
    : home_(home), share_(std::move(client)), cost_(cost), issue_(issue) {
    wake_up_.owner = this;
    wake_up_.handle = [](core::message& m) noexcept {
        auto& w = static_cast<wake_up&>(m);
        w.pending.store(false);
        w.owner->issue_queued();
    };
}

void issue_queue::submit(bdev::io& i) noexcept {
    const cost c = cost_(i);
    if (short_.empty() && long_.empty() && may_issue(c))
        return issue_(i);
    (c.long_io ? long_ : short_).push(i);
    // First this, then a look at what is outstanding: ended() gives back first, and then looks at this.
    waiting_.store(true);
    if (!wake_up_.pending.load())
        issue_queued();
}

void issue_queue::ended(const bdev::io& i) noexcept {
    const cost c = cost_(i);
    if (c.long_io)
        long_outstanding_.fetch_sub(c.operations);
    share_.release(c.operations);
    if (waiting_.load())
        schedule_wake_up();
}

void issue_queue::schedule_wake_up() noexcept {
    if (!wake_up_.pending.exchange(true))
        home_.post(wake_up_);
}

void issue_queue::issue_queued() noexcept {
    // A long one that is due and does not fit goes first all the same: what is outstanding ends, and then it does.
    while (should_issue_long())
        if (!issue_first(long_))
            return;
    while (!short_.empty())
        if (!issue_first(short_))
            return;
    while (!long_.empty())
        if (!issue_first(long_))
            return;
    waiting_.store(false);
}

bool issue_queue::issue_first(fifo& of) noexcept {
    bdev::io& i = of.first();
    if (!may_issue(cost_(i)))
        return false;
    of.pop();
    issue_(i);
    return true;
}

/// True: it is counted as issued.
bool issue_queue::may_issue(cost c) noexcept {
    if (const std::uint64_t now = home_.stats().turns.get(); now != std::exchange(turn_, now))
        issued_in_turn_ = 0;
    if (issued_in_turn_ >= max_per_turn) {
        schedule_wake_up();
        return false;
    }
    if (c.long_io && long_outstanding_.load() + c.operations > max_long && long_outstanding_.load() > 0)
        return false;
    if (!share_.take(c.operations))
        return false;
    if (c.long_io)
        long_outstanding_.fetch_add(c.operations);
    issued_in_turn_ += c.operations;
    return true;
}

void issue_queue::fifo::push(bdev::io& i) noexcept {
    i.next = nullptr;
    if (last_)
        last_->next = &i;
    else
        first_ = &i;
    last_ = &i;
}

void issue_queue::fifo::pop() noexcept {
    first_ = std::exchange(first_->next, nullptr);
    if (!first_)
        last_ = nullptr;
}

}  // namespace causeway::bdev_rbd
