// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/cm/engine.h"

#include "tests/softrdma/cm/library_state.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace softrdma::cm {

std::uint64_t engine::watch(int fd, handler h) {
    start();
    const std::uint64_t token = next_token_++;
    sockets_.emplace(token, watched_socket{fd, std::move(h)});
    epoll_event e{};
    e.events = EPOLLIN | EPOLLRDHUP;
    e.data.u64 = token;
    ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &e);
    return token;
}

void engine::rehandle(std::uint64_t token, handler h) {
    sockets_.at(token).h = std::move(h);
}

void engine::unwatch(std::uint64_t token) {
    auto it = sockets_.find(token);
    if (it == sockets_.end())
        return;
    ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, it->second.fd, nullptr);
    sockets_.erase(it);
}

void engine::call_at(clock::time_point when, std::function<void()> what) {
    start();
    const bool sooner = timers_.empty() || when < timers_.begin()->first;
    timers_.emplace(when, std::move(what));
    if (sooner)
        ::eventfd_write(wake_fd_, 1);
}

void engine::forget_parent() {
    ++generation_;
    for (const auto& [token, s] : sockets_)
        ::close(s.fd);
    sockets_.clear();
    timers_.clear();
    if (epoll_fd_ >= 0) {
        ::close(epoll_fd_);
        ::close(wake_fd_);
    }
    epoll_fd_ = wake_fd_ = -1;
}

void engine::start() {
    if (epoll_fd_ >= 0)
        return;
    epoll_fd_ = ::epoll_create1(EPOLL_CLOEXEC);
    wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    epoll_event e{};
    e.events = EPOLLIN;
    ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &e);

    // The application's signals are for its own threads.
    sigset_t all, before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread([this, fd = epoll_fd_] { run(fd); }).detach();
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

int engine::next_timeout() const {
    if (timers_.empty())
        return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(timers_.begin()->first - clock::now()).count();
    return static_cast<int>(std::clamp<long long>(left, 0, 60000));
}

void engine::run_timers() {
    while (!timers_.empty() && timers_.begin()->first <= clock::now()) {
        auto due = timers_.extract(timers_.begin());
        due.mapped()();
    }
}

void engine::run(int epoll_fd) {
    ::pthread_setname_np(::pthread_self(), "softrdma-cm");
    std::array<epoll_event, 32> ready;
    std::unique_lock locked(the_library().lock);
    for (;;) {
        const int timeout = next_timeout();
        locked.unlock();
        const int n = ::epoll_wait(epoll_fd, ready.data(), static_cast<int>(ready.size()), timeout);
        locked.lock();
        for (int i = 0; i < n; ++i) {
            const epoll_event& e = ready[static_cast<std::size_t>(i)];
            const std::uint64_t token = e.data.u64;  // a copy: the struct is packed, and a reference must be aligned
            if (token == 0) {
                eventfd_t count;
                ::eventfd_read(wake_fd_, &count);
                continue;
            }
            auto it = sockets_.find(token);
            if (it == sockets_.end())
                continue;
            const handler h = it->second.h;  // a copy: it may end itself
            h(e.events);
        }
        run_timers();
    }
}

watched::watched(int fd) : fd_(fd), generation_(the_library().background.generation()) {}

watched::watched(watched&& o) noexcept
    : fd_(std::exchange(o.fd_, -1)), token_(std::exchange(o.token_, 0)), generation_(o.generation_) {}

watched& watched::operator=(watched&& o) noexcept {
    std::swap(fd_, o.fd_);
    std::swap(token_, o.token_);
    std::swap(generation_, o.generation_);
    return *this;
}

void watched::watch(engine::handler h) {
    engine& e = the_library().background;
    if (token_ == 0)
        token_ = e.watch(fd_, std::move(h));
    else
        e.rehandle(token_, std::move(h));
}

int watched::fd() const noexcept {
    return fd_ >= 0 && generation_ == the_library().background.generation() ? fd_ : -1;
}

void watched::close() {
    if (fd() >= 0) {
        if (token_ != 0)
            the_library().background.unwatch(token_);
        ::close(fd_);
    }
    fd_ = -1;
    token_ = 0;
}

}  // namespace softrdma::cm
