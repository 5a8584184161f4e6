// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/listener.h"

#include "nvmf/target.h"
#include "transport/ip/address.h"
#include "transport/tcp/transport.h"

#include <cerrno>
#include <utility>

namespace causeway::tcp {

namespace {

/// The listening socket.
core::result<core::unique_fd> bind_and_listen(const nvmf::transport_address& at, int backlog) {
    auto address = ip::socket_address_of(at);
    if (!address)
        return tl::make_unexpected(address.error());
    core::unique_fd socket(::socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int fd = socket.get();
    if (!socket)
        return core::fail_errno(errno, at.text());
    const int yes = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (address->storage.ss_family == AF_INET6)
        ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    if (::bind(fd, address->get(), address->size) != 0 || ::listen(fd, backlog) != 0)
        return core::fail_errno(errno, at.text());
    return socket;
}

}  // namespace

listener::listener(tcp_transport& transport, std::shared_ptr<const nvmf::port> port, stream_maker make)
    : transport_(transport), port_(std::move(port)), make_(std::move(make)),
      acceptors_(transport.target().group().size()) {}

listener::~listener() = default;

core::task<core::result<>> listener::open() {
    auto socket = bind_and_listen(port_->at, transport_.options().acceptor_backlog);
    if (!socket)
        co_return tl::make_unexpected(socket.error());
    socket_ = std::move(*socket);
    co_await core::for_each_reactor(transport_.target().group(), [&](core::reactor& r) {
        acceptors_[r.index()] =
            std::make_unique<acceptor>(r, transport_.limiter(), socket_.get(), port_, transport_.options(), make_,
                                       transport_.handshakes(r.index()),
                                       [this](handshake_result e) { core::detach(transport_.adopt(std::move(e))); });
    });
    co_return core::result<>{};
}

core::task<> listener::close() {
    co_await core::for_each_reactor(transport_.target().group(),
                                    [this](core::reactor& r) { acceptors_[r.index()].reset(); });
    socket_.reset();
}

}  // namespace causeway::tcp
