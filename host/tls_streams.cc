#include "host/tls_streams.h"

#include "core/reactor.h"
#include "core/timer.h"
#include "transport/tcp/tls_stream.h"

#include <cerrno>
#include <sys/epoll.h>
#include <utility>

namespace causeway::host {

namespace {

core::task<core::result<std::unique_ptr<tcp::stream>>> greet(int socket, const tcp::tls_psk& psk,
                                                             core::nanoseconds patience) {
    auto stream = tcp::make_tls_client_stream(socket, psk);
    core::one_shot<int> outcome;
    bool told = false;
    const auto tell = [&](int error) {
        if (!std::exchange(told, true))
            outcome.set(error);
    };
    core::reactor& r = *core::reactor::current();
    core::timer limit(r, [&] { tell(ETIMEDOUT); });
    limit.arm_after(patience);
    // The first time because the socket takes something.
    core::fd_watch watch(r, socket, EPOLLIN | EPOLLOUT, [&](std::uint32_t) {
        const auto after = stream->receive({}).after;
        watch.set_events(stream->wants_to_send() ? EPOLLIN | EPOLLOUT : EPOLLIN);
        if (after != tcp::stream::state::open)
            tell(EKEYREJECTED);
        else if (!stream->proven_identity().empty())
            tell(0);
    });
    switch (co_await outcome) {
    case 0: co_return std::move(stream);
    case ETIMEDOUT: co_return core::fail(ETIMEDOUT, "the TLS handshake takes too long");
    default: co_return core::fail(EKEYREJECTED, "the TLS handshake failed");
    }
}

}  // namespace

core::result<tcp_connector::stream_maker> tls_streams(std::string_view key, std::string_view hostnqn,
                                                      std::string_view subnqn, core::nanoseconds patience) {
    const auto configured = tcp::parse_psk(key);
    if (!configured)
        return tl::make_unexpected(configured.error());
    auto psk = tcp::derive_tls_psk(*configured, tcp::psk_version::zero, tcp::psk_reading::rfc8446, hostnqn, subnqn);
    if (!psk)
        return core::fail(EINVAL, "the names of host and subsystem are too long for TLS");
    return [psk = std::move(*psk), patience](int socket, const queue_pair_options&) {
        return greet(socket, psk, patience);
    };
}

}  // namespace causeway::host
