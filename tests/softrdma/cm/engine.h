// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <unordered_map>

namespace softrdma::cm {

/// The one background thread: it watches the sockets and keeps the time. Every method is called, and every handler
/// runs, with the library's lock held. The thread starts with the first thing to watch and is never joined: it holds
/// nothing that the end of the process would miss.
class engine {
  public:
    using clock = std::chrono::steady_clock;
    using handler = std::function<void(std::uint32_t events)>;

    std::uint64_t watch(int fd, handler h);
    void rehandle(std::uint64_t token, handler h);
    void unwatch(std::uint64_t token);
    void call_at(clock::time_point when, std::function<void()> what);

    /// In a forked child, which has neither the thread nor a claim to the parent's sockets. Closes its copies of them.
    void forget_parent();
    unsigned generation() const noexcept { return generation_; }

  private:
    struct watched_socket {
        int fd;
        handler h;
    };

    void start();
    void run(int epoll_fd);
    int next_timeout() const;
    void run_timers();

    int epoll_fd_ = -1;
    int wake_fd_ = -1;
    unsigned generation_ = 0;
    std::uint64_t next_token_ = 1;  // 0 is the wake-up
    std::unordered_map<std::uint64_t, watched_socket> sockets_;
    std::multimap<clock::time_point, std::function<void()>> timers_;
};

/// A socket and its place in the engine; closed with the object. The library's lock must be held.
class watched {
  public:
    watched() = default;
    watched(watched&& o) noexcept;
    watched& operator=(watched&& o) noexcept;
    ~watched() { close(); }

    /// Owns the socket, not yet watched.
    explicit watched(int fd);

    void watch(engine::handler h);
    void close();
    /// -1: none, or it was the parent's of a forked process and the number may be another file's by now.
    int fd() const noexcept;
    explicit operator bool() const noexcept { return fd() >= 0; }

  private:
    int fd_ = -1;
    std::uint64_t token_ = 0;
    unsigned generation_ = 0;
};

}  // namespace softrdma::cm
