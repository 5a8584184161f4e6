#pragma once

#include "core/reactor.h"
#include "transport/tcp/tcp_transport.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <sys/socket.h>
#include <unordered_map>

namespace causeway::tcp {

class connection_limiter;

/// A connection's place among all, from accept to the end of its socket: first as a stranger, of whom only the address is known, and from its
/// Connect on as a host's. Belongs to whoever has the connection, on whichever core that is.
class connection_permit {
  public:
    ~connection_permit();
    connection_permit(const connection_permit&) = delete;
    connection_permit& operator=(const connection_permit&) = delete;

    /// On the core that has the connection now, which is where `evict` is called if a stranger has to make room for others; at most once, never
    /// within this call, and not after unwatch() or the end of this object.
    void watch(core::reactor& here, std::function<void()> evict);
    void unwatch() noexcept;
    /// Connect has succeeded: it stays as long as it likes.
    void connected() noexcept;

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
    bool stranger_ = false, evicted_ = false;
    list::iterator among_all_, of_address_;
    std::shared_ptr<watcher> watcher_;
};

/// Counts connections and strangers. Any thread.
///
/// A host that means it connects within milliseconds. So where there are too many strangers, from one address or in all, the oldest of them has
/// to go, and whoever comes gets its place: nobody keeps others out by coming and saying nothing. Only where hosts that have connected hold every
/// place does nobody else come in.
class connection_limiter {
  public:
    explicit connection_limiter(const connection_limits& limits) : limits_(limits) {}

    /// True: accept nobody now.
    bool full() const;
    struct admission {
        std::unique_ptr<connection_permit> permit;
        bool at_the_cost_of_another;
    };
    /// REQUIRES: not full() a moment ago. Throws std::bad_alloc.
    admission admit(const sockaddr& peer);
    /// True once a minute: now say that it is full.
    bool time_to_say_so(const core::reactor& here);

    std::size_t connections() const;
    std::size_t strangers() const;

  private:
    friend class connection_permit;
    connection_permit* who_must_go(std::uint64_t address) const noexcept;
    void evict(connection_permit& p);
    void leave_strangers(connection_permit& p) noexcept;
    static void tell(const std::shared_ptr<connection_permit::watcher>& w);

    const connection_limits limits_;
    mutable std::mutex mutex_;
    std::size_t connections_ = 0;
    connection_permit::list strangers_;  ///< the oldest first
    std::unordered_map<std::uint64_t, connection_permit::list> by_address_;
    core::ticks say_after_ = 0;
};

}  // namespace causeway::tcp
