// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/reactor.h"
#include "transport/common/connection_limits.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace causeway::common {

class connection_limiter;

/// A connection's slot in the limits, until its link has ended: pending at first, when only its address is known, and
/// from its Connect on as a host's. Owned by the object that has the connection, on any core.
class connection_permit {
  public:
    ~connection_permit();
    connection_permit(const connection_permit&) = delete;
    connection_permit& operator=(const connection_permit&) = delete;

    /// On the core that has the connection now, where `evict` is called if a pending connection has to make room for
    /// others; at most once, never within this call, and not after unwatch() or the end of this object.
    void watch(core::reactor& here, std::function<void()> evict);
    void unwatch() noexcept;
    /// Its host has connected, and authenticated where it must: the connection is no longer evicted. Does nothing the
    /// second time.
    void admitted() noexcept;

  private:
    friend class connection_limiter;
    struct watcher {
        core::reactor& home;
        std::function<void()> evict;  ///< its home's
    };
    using list = std::list<connection_permit*>;

    connection_permit(connection_limiter& of, std::uint64_t address) noexcept : limiter_(of), address_(address) {}

    connection_limiter& limiter_;
    const std::uint64_t address_;
    // With the limiter's lock.
    bool is_pending_ = false, evicted_ = false;
    list::iterator among_all_, of_address_;
    std::shared_ptr<watcher> watcher_;
};

/// Counts connections and pending connections, whose host has not been admitted. Any thread.
///
/// A well-behaved host sends Connect within milliseconds. If there are too many pending connections, from one address
/// or altogether, the oldest of them is evicted for the new one, so a silent client cannot lock others out. Only if
/// connected hosts use all slots are no more connections accepted. An address is a number by which hosts differ:
/// ip::host_key().
class connection_limiter {
  public:
    explicit connection_limiter(const connection_limits& limits) : limits_(limits) {}

    /// True: do not accept connections now.
    bool full() const;
    struct admitted {
        std::unique_ptr<connection_permit> permit;
        bool evicted_another;
    };
    /// REQUIRES: not full() a moment ago. Throws std::bad_alloc.
    admitted admit(std::uint64_t address);
    /// For a connection from `address` that there is no room for: the address that has most pending connections loses
    /// the oldest of them. False: none has more of them than `address`, so nobody has to go for it.
    bool evict_for(std::uint64_t address);
    /// True once a minute: log now that the limit is reached.
    bool should_log_full(const core::reactor& here);

    std::size_t connections() const;
    std::size_t pending() const;

  private:
    friend class connection_permit;
    connection_permit* connection_to_evict(std::uint64_t address) const noexcept;
    void evict(connection_permit& p);
    void remove_pending(connection_permit& p) noexcept;
    static void tell(const std::shared_ptr<connection_permit::watcher>& w);

    const connection_limits limits_;
    mutable std::mutex mutex_;
    std::size_t connections_ = 0;
    connection_permit::list pending_;  ///< the oldest first
    std::unordered_map<std::uint64_t, connection_permit::list> by_address_;
    core::ticks next_log_ = 0;
};

}  // namespace causeway::common
