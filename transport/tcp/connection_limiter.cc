#include "transport/tcp/connection_limiter.h"

#include <algorithm>
#include <cstring>
#include <netinet/in.h>
#include <utility>

namespace causeway::tcp {

namespace {

constexpr auto say_period = std::chrono::minutes(1);
// The last places are for whoever comes while evicted strangers are still being closed.
constexpr std::size_t most_places_for_newcomers = 64;

/// A host is an IPv4 address, or an IPv6 subnet, which is what one machine may have for itself.
std::uint64_t key_of(const sockaddr& a) noexcept {
    constexpr std::uint64_t is_ipv4 = std::uint64_t{0xffff} << 32;
    if (a.sa_family == AF_INET)
        return is_ipv4 | reinterpret_cast<const sockaddr_in&>(a).sin_addr.s_addr;
    const in6_addr& six = reinterpret_cast<const sockaddr_in6&>(a).sin6_addr;
    std::uint64_t subnet = 0;
    std::memcpy(&subnet, &six, sizeof subnet);
    return subnet;
}

}  // namespace

// ---- One connection's.

connection_permit::~connection_permit() {
    unwatch();
    const std::lock_guard lock(limiter_.mutex_);
    limiter_.leave_strangers(*this);
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

void connection_permit::connected() noexcept {
    const std::lock_guard lock(limiter_.mutex_);
    limiter_.leave_strangers(*this);
}

// ---- All of them.

bool connection_limiter::full() const {
    const std::lock_guard lock(mutex_);
    return connections_ >= limits_.in_all;
}

std::size_t connection_limiter::connections() const {
    const std::lock_guard lock(mutex_);
    return connections_;
}

std::size_t connection_limiter::strangers() const {
    const std::lock_guard lock(mutex_);
    return strangers_.size();
}

/// With room for a newcomer from `address`, counted already, nobody.
connection_permit* connection_limiter::who_must_go(std::uint64_t address) const noexcept {
    const auto same = by_address_.find(address);
    if (same != by_address_.end() && same->second.size() >= limits_.strangers_of_address)
        return same->second.front();
    const std::size_t for_newcomers = std::min(most_places_for_newcomers, limits_.in_all / 4);
    const bool too_many = strangers_.size() >= limits_.strangers || connections_ + for_newcomers > limits_.in_all;
    return too_many && !strangers_.empty() ? strangers_.front() : nullptr;
}

connection_limiter::admission connection_limiter::admit(const sockaddr& peer) {
    const std::uint64_t address = key_of(peer);
    std::unique_ptr<connection_permit> p(new connection_permit(*this, address));
    const std::lock_guard lock(mutex_);
    ++connections_;
    connection_permit* const going = who_must_go(address);
    if (going)
        evict(*going);
    connection_permit::list among_all{p.get()}, of_address{p.get()};
    auto& same = by_address_[address];
    // From here on nothing fails.
    p->stranger_ = true;
    p->among_all_ = among_all.begin();
    p->of_address_ = of_address.begin();
    strangers_.splice(strangers_.end(), among_all);
    same.splice(same.end(), of_address);
    return {std::move(p), going != nullptr};
}

void connection_limiter::evict(connection_permit& p) {
    if (p.watcher_)
        tell(p.watcher_);
    p.evicted_ = true;  // where nobody watches, whoever has it next is told
    leave_strangers(p);
}

void connection_limiter::tell(const std::shared_ptr<connection_permit::watcher>& w) {
    w->home.execute([w] {
        if (const auto evict = std::exchange(w->evict, nullptr))
            evict();
    });
}

void connection_limiter::leave_strangers(connection_permit& p) noexcept {
    if (!std::exchange(p.stranger_, false))
        return;
    strangers_.erase(p.among_all_);
    const auto same = by_address_.find(p.address_);
    same->second.erase(p.of_address_);
    if (same->second.empty())
        by_address_.erase(same);
}

bool connection_limiter::time_to_say_so(const core::reactor& here) {
    const std::lock_guard lock(mutex_);
    if (here.now() < say_after_)
        return false;
    say_after_ = here.now() + here.time().to_ticks(say_period);
    return true;
}

}  // namespace causeway::tcp
