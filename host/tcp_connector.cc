// SPDX-License-Identifier: Apache-2.0
#include "host/tcp_connector.h"

#include "core/fd_wait.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

namespace causeway::host {

namespace {

/// Waits until a socket that connects has done so. The outcome as errno; ETIMEDOUT: not in time.
core::task<int> connected(int socket, core::nanoseconds timeout) {
    const bool in_time = co_await core::writable(socket, timeout);
    if (!in_time)
        co_return ETIMEDOUT;
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
    co_return error;
}

}  // namespace

tcp_connector::tcp_connector(address to, tcp_options options, stream_maker make_stream)
    : address_(std::move(to)), options_(options), make_stream_(std::move(make_stream)) {}

core::task<core::result<std::unique_ptr<tcp::stream>>> tcp_connector::plain(int socket, const queue_pair_options&) {
    co_return tcp::make_plain_stream(socket);
}

core::task<core::result<core::unique_fd>> tcp_connector::connect_socket() {
    const auto to = co_await resolve(address_);
    if (!to)
        co_return tl::make_unexpected(to.error());
    core::unique_fd socket(::socket(to->get()->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket)
        co_return core::fail_errno(errno, name());
    const int s = socket.get();
    const int one = 1;
    ::setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int error = ::connect(s, to->get(), to->length) == 0 ? 0 : errno;
    if (error == EINPROGRESS)
        error = co_await connected(s, options_.timeout);
    if (error != 0)
        co_return core::fail_errno(error, name());
    co_return std::move(socket);
}

core::task<core::result<std::unique_ptr<queue_pair>>> tcp_connector::open(queue_pair_options o) {
    auto socket = co_await connect_socket();
    if (!socket)
        co_return tl::make_unexpected(socket.error());
    auto stream = co_await make_stream_(socket->release(), o);
    if (!stream)
        co_return tl::make_unexpected(stream.error());
    auto q = std::make_unique<tcp_queue_pair>(std::move(*stream), o, options_);
    if (auto ready = co_await q->initialize(); !ready)
        co_return core::fail(ready.error().code, ready.error().sentence, name());
    co_return std::unique_ptr<queue_pair>(std::move(q));
}

}  // namespace causeway::host
