// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/acceptor.h"

#include "core/log_event.h"
#include "transport/ip/address.h"
#include "transport/tcp/linger_close.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <utility>

namespace causeway::tcp {

namespace {

constexpr int max_at_once = 16;
// When there are no places or descriptors, the socket stays ready: it is left alone for a while.
constexpr auto pause = std::chrono::milliseconds(100);
// A peer whose machine is gone is noticed after a minute, also where it has promised no Keep Alive.
constexpr int idle_seconds = 30, probe_seconds = 10, probes = 3;
// One that takes nothing of what is sent, after half a minute.
constexpr unsigned unacknowledged_ms = 30'000;

template <class T>
void set(int socket, int level, int option, T value) noexcept {
    ::setsockopt(socket, level, option, &value, sizeof value);  // what is not there is done without
}

void prepare(int socket, int priority) noexcept {
    set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
    set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(socket, IPPROTO_TCP, TCP_KEEPIDLE, idle_seconds);
    set(socket, IPPROTO_TCP, TCP_KEEPINTVL, probe_seconds);
    set(socket, IPPROTO_TCP, TCP_KEEPCNT, probes);
    set(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, unacknowledged_ms);
    if (priority)
        set(socket, SOL_SOCKET, SO_PRIORITY, priority);
}

/// It has its place for as long as its socket.
core::task<> end_refused(handshake_result e, term_req request) {
    co_await linger_close(std::move(e.stream), request);
}

nvmf::transport_address own_address(int socket) {
    sockaddr_storage a{};
    socklen_t size = sizeof a;
    ::getsockname(socket, reinterpret_cast<sockaddr*>(&a), &size);
    return ip::address_of("TCP", reinterpret_cast<const sockaddr&>(a));
}

}  // namespace

acceptor::acceptor(core::reactor& home, common::connection_limiter& limiter, int listening,
                   std::shared_ptr<const nvmf::port> port, const transport_options& options, const stream_maker& make,
                   handshake_statistics& stats, std::function<void(handshake_result)> on_established)
    : home_(home), limiter_(limiter), listening_(listening), port_(std::move(port)), options_(options), make_(make),
      stats_(stats), on_established_(std::move(on_established)), again_(home, [this] { watch(); }) {
    watch();
}

void acceptor::watch() {
    // Exclusive: a connection wakes one of the cores that sleep, not all.
    watch_.emplace(home_, listening_, EPOLLIN | EPOLLEXCLUSIVE, [this](std::uint32_t) { accept(); });
}

void acceptor::accept() {
    for (int i = 0; i < max_at_once; ++i) {
        if (limiter_.full())
            return pause_accepting("the maximum number of connections is reached");
        sockaddr_storage a{};
        socklen_t size = sizeof a;
        const int socket = ::accept4(listening_, reinterpret_cast<sockaddr*>(&a), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (socket >= 0) {
            begin(socket, reinterpret_cast<const sockaddr&>(a));
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            return pause_accepting(std::strerror(errno));
        if (errno == EAGAIN)
            return;
        // Else that connection has failed before it was accepted, and there may be another.
    }
}

/// New connections wait in the socket's backlog meanwhile.
void acceptor::pause_accepting(std::string_view why) {
    stats_.pauses.add();
    if (limiter_.should_log_full(home_))
        core::log::report(core::log::event::descriptors_exhausted, {{"connections", limiter_.connections()}},
                          "tcp: not accepting connections for now, there are {}: {}", limiter_.connections(), why);
    again_.arm_after(pause);
    watch_.reset();
}

void acceptor::begin(int socket, const sockaddr& peer) {
    stats_.accepted.add();
    prepare(socket, options_.sock_priority);
    std::unique_ptr<stream> s;
    // Lack of resources affects only the new connection.
    try {
        s = make_(socket);
        auto [permit, evicted_another] = limiter_.admit(ip::host_key(peer));
        if (evicted_another) {
            static core::log::limiter limit;
            stats_.evicting.add();
            core::log::peer_report(limit, core::log::event::pending_connection_evicted,
                                   {{"address", ip::address_of("TCP", peer).traddr}},
                                   "tcp: too many connections without a Connect: closing the oldest for one from {}",
                                   ip::address_of("TCP", peer).traddr);
        }
        // A wildcard does not say which address the host has come to.
        handshakes_.emplace_back(home_, std::move(permit), std::move(s), options_, port_,
                                 port_->at.is_wildcard() ? own_address(socket) : port_->at, ip::address_of("TCP", peer),
                                 [this](handshake& h, handshake::outcome how) { ended(h, how); });
    } catch (const std::exception& e) {  // std::bad_alloc, or epoll's refusal
        stats_.no_memory.add();
        static core::log::limiter limit;
        core::log::peer_warning(limit, "tcp: rejecting a connection: {}", e.what());
    }
}

void acceptor::ended(handshake& h, handshake::outcome how) {
    handshake_result result = std::move(h.result());
    result.permit->unwatch();
    const term_req request = h.term_req();
    // With its watch of the socket, which another object may watch from now on.
    handshakes_.remove_if([&](const handshake& o) { return &o == &h; });

    static core::log::limiter limit;
    switch (how) {
    case handshake::outcome::established: on_established_(std::move(result)); break;
    case handshake::outcome::evicted: break;  // counted and said where its place was needed
    case handshake::outcome::refused:
        stats_.refused.add();
        core::log::peer_warning(limit, "tcp: {}: rejecting the connection, its first PDU violates the protocol",
                                result.peer.text());
        core::detach(end_refused(std::move(result), request));
        break;
    case handshake::outcome::timed_out:
        stats_.timed_out.add();
        core::log::peer_warning(limit, "tcp: {}: closing the connection, its handshake timed out", result.peer.text());
        break;
    case handshake::outcome::lost: stats_.lost.add(); break;
    }
}

}  // namespace causeway::tcp
