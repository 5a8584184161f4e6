// SPDX-License-Identifier: Apache-2.0
#include "transport/common/connection_limiter.h"

#include <algorithm>
#include <utility>

namespace causeway::common {

namespace {

constexpr auto log_period = std::chrono::minutes(1);
// The last slots are for new connections while evicted ones are still being closed.
constexpr std::size_t max_places_for_newcomers = 64;

}  // namespace

// ---- One connection's.

connection_permit::~connection_permit() {
    unwatch();
    const std::lock_guard lock(limiter_.mutex_);
    limiter_.remove_pending(*this);
    --limiter_.connections_;
}

void connection_permit::watch(core::reactor& here, std::function<void()> evict) {
    auto w = std::make_shared<watcher>(watcher{here, std::move(evict)});
    const std::lock_guard lock(limiter_.mutex_);
    watcher_ = std::move(w);
    if (evicted_)
        limiter_.tell(watcher_);
}

void connection_permit::unwatch() noexcept {
    const std::lock_guard lock(limiter_.mutex_);
    // A call that is on its way has this object, too.
    if (const auto w = std::exchange(watcher_, nullptr))
        w->evict = nullptr;
}

void connection_permit::admitted() noexcept {
    const std::lock_guard lock(limiter_.mutex_);
    limiter_.remove_pending(*this);
}

// ---- All of them.

bool connection_limiter::full() const {
    const std::lock_guard lock(mutex_);
    return connections_ >= limits_.total;
}

std::size_t connection_limiter::connections() const {
    const std::lock_guard lock(mutex_);
    return connections_;
}

std::size_t connection_limiter::pending() const {
    const std::lock_guard lock(mutex_);
    return pending_.size();
}

/// nullptr: there is room for the new connection from `address`, which is counted already.
connection_permit* connection_limiter::connection_to_evict(std::uint64_t address) const noexcept {
    const auto same = by_address_.find(address);
    if (same != by_address_.end() && same->second.size() >= limits_.pending_per_address)
        return same->second.front();
    const std::size_t for_newcomers = std::min(max_places_for_newcomers, limits_.total / 4);
    const bool too_many = pending_.size() >= limits_.pending || connections_ + for_newcomers > limits_.total;
    return too_many && !pending_.empty() ? pending_.front() : nullptr;
}

connection_limiter::admitted connection_limiter::admit(std::uint64_t address) {
    std::unique_ptr<connection_permit> p(new connection_permit(*this, address));
    const std::lock_guard lock(mutex_);
    ++connections_;
    connection_permit* const going = connection_to_evict(address);
    if (going)
        evict(*going);
    connection_permit::list among_all{p.get()}, of_address{p.get()};
    auto& same = by_address_[address];
    // From here on nothing fails.
    p->is_pending_ = true;
    p->among_all_ = among_all.begin();
    p->of_address_ = of_address.begin();
    pending_.splice(pending_.end(), among_all);
    same.splice(same.end(), of_address);
    return {std::move(p), going != nullptr};
}

void connection_limiter::evict(connection_permit& p) {
    if (p.watcher_)
        tell(p.watcher_);
    p.evicted_ = true;  // without a watcher now, the next one is notified
    remove_pending(p);
}

void connection_limiter::tell(const std::shared_ptr<connection_permit::watcher>& w) {
    w->home.execute([w] {
        if (const auto evict = std::exchange(w->evict, nullptr))
            evict();
    });
}

void connection_limiter::remove_pending(connection_permit& p) noexcept {
    if (!std::exchange(p.is_pending_, false))
        return;
    pending_.erase(p.among_all_);
    const auto same = by_address_.find(p.address_);
    same->second.erase(p.of_address_);
    if (same->second.empty())
        by_address_.erase(same);
}

bool connection_limiter::evict_for(std::uint64_t address) {
    const std::lock_guard lock(mutex_);
    const auto own = by_address_.find(address);
    std::size_t most = own == by_address_.end() ? 0 : own->second.size();
    connection_permit* going = nullptr;
    for (connection_permit* const p : pending_)  // of several such addresses, the one with the oldest
        if (const std::size_t n = by_address_.find(p->address_)->second.size(); n > most) {
            most = n;
            going = p;
        }
    if (going)
        evict(*going);
    return going != nullptr;
}

bool connection_limiter::should_log_full(const core::reactor& here) {
    const std::lock_guard lock(mutex_);
    if (here.now() < next_log_)
        return false;
    next_log_ = here.now() + here.time().to_ticks(log_period);
    return true;
}

}  // namespace causeway::common
