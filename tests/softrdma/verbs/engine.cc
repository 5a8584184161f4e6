// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/verbs/engine.h"

#include "tests/softrdma/settings.h"
#include "tests/softrdma/unix_address.h"
#include "tests/softrdma/verbs/completion_queue.h"
#include "tests/softrdma/verbs/control.h"
#include "tests/softrdma/verbs/process.h"
#include "tests/softrdma/verbs/queue_pair.h"
#include "tests/softrdma/verbs/srq.h"

#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <thread>
#include <unistd.h>

namespace softrdma {

namespace {

/// Bound and listening; -1 with errno set.
int listen_at(const std::string& name) {
    const unix_address at(name);
    const int fd = at.valid() ? ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
    if (fd < 0)
        return -1;
    if (::bind(fd, at.get(), at.size()) != 0 || ::listen(fd, 128) != 0) {
        ::close(fd);
        return -1;
    }
    return fd;
}

void send_descriptor(int to, int fd) {
    char byte = 0;
    iovec data{&byte, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof fd)> space{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = space.data();
    message.msg_controllen = space.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    ::sendmsg(to, &message, MSG_NOSIGNAL);
}

}  // namespace

void engine::start() {
    timer_fd_ = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    door_ = listen_at(process::door(process_.memory().instance));
    if (door_ < 0)
        std::fprintf(stderr, "softrdma: no other process can reach this one: %s\n", std::strerror(errno));
    open_control();
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread([this] { run(); }).detach();
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void engine::resume_at(clock::time_point when, std::uint32_t queue_pair) {
    std::lock_guard hold(mutex_);
    const bool sooner = timers_.empty() || when < timers_.top().when;
    timers_.push({when, queue_pair});
    if (sooner)
        set_timer();
}

void engine::wake() noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto n = ::write(wake_fd_, &one, sizeof one);
}

void engine::post(std::function<void()> work) {
    {
        std::lock_guard hold(mutex_);
        posted_.push_back(std::move(work));
    }
    wake();
}

/// REQUIRES: mutex_, and a timer.
void engine::set_timer() {
    const auto since = timers_.top().when.time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
    itimerspec at{};
    at.it_value.tv_sec = seconds.count();
    at.it_value.tv_nsec = std::max<long>(std::chrono::nanoseconds(since - seconds).count(), 1);
    ::timerfd_settime(timer_fd_, TFD_TIMER_ABSTIME, &at, nullptr);
}

void engine::run() {
    ::pthread_setname_np(::pthread_self(), "softrdma");
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    for (const int fd : {wake_fd_, timer_fd_, door_, control_}) {
        epoll_event e{};
        e.events = EPOLLIN;
        e.data.fd = fd;
        if (fd >= 0)
            ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
    }
    for (;;) {
        std::array<epoll_event, 8> ready;
        const int n = ::epoll_wait(epoll, ready.data(), static_cast<int>(ready.size()), -1);
        for (int i = 0; i < n; ++i) {
            const int fd = ready[static_cast<std::size_t>(i)].data.fd;
            std::uint64_t count;
            if (fd == door_)
                answer_door();
            else if (fd == control_)
                answer_control();
            else if (::read(fd, &count, sizeof count) == sizeof count)
                fd == timer_fd_ ? take_timers() : take_attention();
        }
    }
}

void engine::take_timers() {
    const auto now = clock::now();
    std::vector<std::uint32_t> due;
    {
        std::lock_guard hold(mutex_);
        while (!timers_.empty() && timers_.top().when <= now) {
            due.push_back(timers_.top().queue_pair);
            timers_.pop();
        }
        if (!timers_.empty())
            set_timer();
    }
    for (const std::uint32_t number : due) {
        std::lock_guard hold(process_.acting);
        if (queue_pair* q = process_.find(number))
            q->resume();
    }
}

void engine::take_attention() {
    std::vector<std::function<void()>> work;
    {
        std::lock_guard hold(mutex_);
        work.swap(posted_);
    }
    for (const auto& w : work)
        w();
    if (process_.memory().attention.exchange(0) == 0)
        return;
    for (auto& place : process_.queue_pairs) {
        std::lock_guard hold(process_.acting);
        if (queue_pair* q = place.load())
            q->take_attention();
    }
    for (auto& place : process_.srqs) {
        std::lock_guard hold(process_.acting);
        if (srq* s = place.load())
            s->take_attention();
    }
    for (auto& place : process_.completion_queues) {
        std::lock_guard hold(process_.acting);
        if (completion_queue* c = place.load())
            c->take_attention();
    }
}

void engine::answer_door() {
    for (int fd; (fd = ::accept4(door_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
        send_descriptor(fd, process_.memory_fd());
        ::close(fd);
    }
}

void engine::open_control() {
    const std::string name = setting("SOFTRDMA_CONTROL");
    if (name.empty())
        return;
    ::unlink(name.c_str());
    control_ = listen_at(name);
    if (control_ < 0)
        std::fprintf(stderr, "softrdma: no control socket at %s: %s\n", name.c_str(), std::strerror(errno));
}

void engine::answer_control() {
    for (int fd; (fd = ::accept4(control_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
        std::thread([fd] { serve_control(fd); }).detach();
    }
}

}  // namespace softrdma
