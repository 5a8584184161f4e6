#include "transport/tcp/acceptor.h"

#include "core/log.h"
#include "transport/ip/address.h"
#include "transport/tcp/farewell.h"

#include <algorithm>
#include <cerrno>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <utility>

namespace causeway::tcp {

namespace {

constexpr int most_at_once = 16;
// When there are no descriptors, the socket stays ready: it is left alone for a while.
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

nvmf::transport_address own_address(int socket) {
    sockaddr_storage a{};
    socklen_t size = sizeof a;
    ::getsockname(socket, reinterpret_cast<sockaddr*>(&a), &size);
    return ip::address_of("TCP", reinterpret_cast<const sockaddr&>(a));
}

}  // namespace

acceptor::acceptor(core::reactor& home, int listening, std::shared_ptr<const nvmf::port> port,
                   const nvmf::transport_options& options, const stream_maker& make, handshake_statistics& stats,
                   std::function<void(established)> established)
    : home_(home), listening_(listening), port_(std::move(port)), options_(options), make_(make), stats_(stats),
      established_(std::move(established)), again_(home, [this] { watch(); }) {
    watch();
}

void acceptor::watch() {
    // Exclusive: a connection wakes one of the cores that sleep, not all.
    watch_.emplace(home_, listening_, EPOLLIN | EPOLLEXCLUSIVE, [this](std::uint32_t) { accept(); });
}

void acceptor::accept() {
    for (int i = 0; i < most_at_once; ++i) {
        sockaddr_storage a{};
        socklen_t size = sizeof a;
        const int socket = ::accept4(listening_, reinterpret_cast<sockaddr*>(&a), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (socket >= 0) {
            begin(socket, ip::address_of("TCP", reinterpret_cast<const sockaddr&>(a)));
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            static core::log::limiter limit;
            core::log::peer_warning(limit, "tcp: cannot accept: {}", std::strerror(errno));
            again_.arm_after(pause);
            watch_.reset();
            return;
        }
        if (errno == EAGAIN)
            return;
        // Else that connection has failed before it was accepted, and there may be another.
    }
}

void acceptor::begin(int socket, const nvmf::transport_address& peer) {
    stats_.accepted.add();
    prepare(socket, options_.sock_priority);
    if (handshakes_.size() >= most_handshakes)
        ended(handshakes_.front(), handshake::outcome::timed_out);
    // A wildcard does not say which address the host has come to.
    handshakes_.emplace_back(home_, make_(socket), options_, port_,
                             port_->at.is_wildcard() ? own_address(socket) : port_->at, peer,
                             [this](handshake& h, handshake::outcome how) { ended(h, how); });
}

void acceptor::ended(handshake& h, handshake::outcome how) {
    established result = std::move(h.result());
    const last_words words = h.last_words();
    // With its watch of the socket, which somebody else may watch from now on.
    handshakes_.remove_if([&](const handshake& o) { return &o == &h; });

    static core::log::limiter limit;
    switch (how) {
    case handshake::outcome::established: established_(std::move(result)); break;
    case handshake::outcome::refused:
        stats_.refused.add();
        core::log::peer_warning(limit, "tcp: {}: refused, its first PDU breaks the protocol", result.peer.text());
        core::detach(take_leave(std::move(result.stream), words));
        break;
    case handshake::outcome::timed_out:
        stats_.timed_out.add();
        core::log::peer_warning(limit, "tcp: {}: closed, it did not begin in time", result.peer.text());
        break;
    case handshake::outcome::lost: stats_.lost.add(); break;
    }
}

}  // namespace causeway::tcp
