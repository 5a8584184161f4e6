// SPDX-License-Identifier: Apache-2.0
#include "host/tls_streams.h"

#include "core/fd_wait.h"
#include "core/reactor.h"
#include "wire/tls/tls_stream.h"

#include <algorithm>
#include <cerrno>
#include <sys/epoll.h>
#include <utility>

namespace causeway::host {

namespace {

core::task<core::result<std::unique_ptr<tcp::stream>>> greet(int socket, const tcp::tls_psk& psk,
                                                             core::nanoseconds timeout) {
    auto stream = tcp::make_tls_client_stream(socket, psk);
    const core::clock& time = core::reactor::current()->time();
    const core::ticks end = time.now() + time.to_ticks(timeout);
    // The first time because the socket takes something.
    for (std::uint32_t events = EPOLLIN | EPOLLOUT;;) {
        const core::ticks now = time.now();
        const bool in_time = co_await core::fd_wait(socket, events, time.to_nanoseconds(end - std::min(now, end)));
        if (!in_time)
            co_return core::fail(ETIMEDOUT, "the TLS handshake takes too long");
        if (stream->receive({}).after != tcp::stream::state::open)
            co_return core::fail(EKEYREJECTED, "the TLS handshake failed");
        if (!stream->proven_identity().empty())
            co_return std::move(stream);
        events = stream->wants_to_send() ? EPOLLIN | EPOLLOUT : EPOLLIN;
    }
}

}  // namespace

core::result<tcp_connector::stream_maker> tls_streams(std::string_view key, std::string_view hostnqn,
                                                      std::string_view subnqn, core::nanoseconds timeout) {
    const auto configured = tcp::parse_psk(key);
    if (!configured)
        return tl::make_unexpected(configured.error());
    auto psk = tcp::derive_tls_psk(*configured, tcp::psk_version::zero, tcp::psk_reading::rfc8446, hostnqn, subnqn);
    if (!psk)
        return core::fail(EINVAL, "the names of host and subsystem are too long for TLS");
    return
        [psk = std::move(*psk), timeout](int socket, const queue_pair_options&) { return greet(socket, psk, timeout); };
}

}  // namespace causeway::host
