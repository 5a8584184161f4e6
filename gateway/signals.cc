// SPDX-License-Identifier: Apache-2.0
#include "gateway/signals.h"

#include "core/log.h"

#include <csignal>
#include <cstring>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace causeway::gateway {

namespace {

sigset_t end_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

}  // namespace

void block_signals() {
    const sigset_t set = end_signals();
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
}

end_request::end_request(core::reactor& r, std::function<void()> asked)
    : fd_([] {
          const sigset_t set = end_signals();
          return ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
      }()),
      asked_(std::move(asked)), watch_(r, fd_.get(), EPOLLIN, [this](std::uint32_t) { read(); }) {}

void end_request::read() {
    signalfd_siginfo info{};
    if (::read(fd_.get(), &info, sizeof info) != sizeof info)
        return;
    core::log::notice("SIG{} received: closing", ::sigabbrev_np(static_cast<int>(info.ssi_signo)));
    const sigset_t set = end_signals();
    ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    if (asked_)
        std::exchange(asked_, {})();
}

}  // namespace causeway::gateway
