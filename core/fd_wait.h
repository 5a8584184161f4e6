// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/reactor.h"

#include <coroutine>
#include <cstdint>
#include <optional>
#include <sys/epoll.h>

namespace causeway::core {

/// `co_await readable(fd, limit)`: goes on, on the same reactor, when `fd` can be read without blocking: true; or when
/// `limit` is over: false. A descriptor that has failed or was hung up counts as ready: the next call on it says what
/// is wrong.
///
/// For control connections, as fd_watch is: at once when the reactor sleeps, within half a millisecond when it is busy.
/// One wait for a descriptor at a time, and no fd_watch beside it on the same reactor; `fd` stays open meanwhile. The
/// task may be destroyed while it waits. What epoll refuses is thrown as std::system_error.
class [[nodiscard]] fd_wait {
  public:
    /// Without a limit: as long as it takes.
    fd_wait(int fd, std::uint32_t epoll_events, std::optional<nanoseconds> limit) noexcept
        : fd_(fd), events_(epoll_events), limit_(limit) {}

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) {
        reactor& here = *reactor::current();
        // Each takes the other away first: what both have found ready in one turn continues once.
        watch_.emplace(here, fd_, events_, [this, h](std::uint32_t) {
            ready_ = true;
            timer_.reset();
            h.resume();
        });
        if (!limit_)
            return;
        timer_.emplace(here, [this, h] {
            watch_.reset();
            h.resume();
        });
        timer_->arm_after(*limit_);
    }
    bool await_resume() noexcept {
        watch_.reset();  // the descriptor may be closed now, before this awaiter goes
        return ready_;
    }

  private:
    const int fd_;
    const std::uint32_t events_;
    const std::optional<nanoseconds> limit_;
    bool ready_ = false;
    std::optional<fd_watch> watch_;
    std::optional<timer> timer_;
};

inline fd_wait readable(int fd, std::optional<nanoseconds> limit = std::nullopt) noexcept {
    return {fd, EPOLLIN, limit};
}
inline fd_wait writable(int fd, std::optional<nanoseconds> limit = std::nullopt) noexcept {
    return {fd, EPOLLOUT, limit};
}

}  // namespace causeway::core
