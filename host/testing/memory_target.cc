// SPDX-License-Identifier: Apache-2.0
#include "host/testing/memory_target.h"

#include "host/testing/memory_connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

namespace causeway::host::testing {

memory_target::memory_target(memory_target_options o, const memory_target* twin)
    : options_(o), disks_(twin ? twin->disks_
                               : std::make_shared<std::vector<std::vector<std::byte>>>(
                                     o.namespaces, std::vector<std::byte>(o.blocks * 512))),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&at), size) != 0 || ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size) != 0)
        throw std::system_error(errno, std::generic_category(), "listen");
    port_ = ntohs(at.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
}

memory_target::~memory_target() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    break_connections();
    for (auto& t : threads_)
        t.join();
}

void memory_target::accept_all() {
    for (int s; (s = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
        const int one = 1;
        ::setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        std::lock_guard lock(mutex_);
        made_.fetch_add(1);
        auto c = std::make_unique<memory_connection>(*this, s);
        connections_.push_back(c.get());
        threads_.emplace_back([this, c = std::move(c)] {
            c->serve();
            std::lock_guard lock(mutex_);
            connections_.remove(c.get());
        });
    }
}

void memory_target::set_ana(nvme::ana_state s) {
    ana_ = s;
    ana_changes_.fetch_add(1);
    std::lock_guard lock(mutex_);
    for (auto* c : connections_)
        c->wake();
}

void memory_target::break_connections() {
    std::lock_guard lock(mutex_);
    for (auto* c : connections_)
        c->sever();
}

void memory_target::complain(std::string what) {
    std::lock_guard lock(mutex_);
    if (complaint_.empty())
        complaint_ = std::move(what);
}

std::string memory_target::complaint() {
    std::lock_guard lock(mutex_);
    return complaint_;
}

}  // namespace causeway::host::testing
