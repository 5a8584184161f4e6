#pragma once

#include "core/counter.h"
#include "core/reactor.h"
#include "core/timer.h"
#include "transport/tcp/handshake.h"

#include <functional>
#include <list>
#include <memory>
#include <optional>

namespace causeway::tcp {

/// Makes the stream of a connection that has been accepted; any core.
using stream_maker = std::function<std::unique_ptr<stream>(int socket)>;

/// What has come of connections. Written by their core, read by any.
struct handshake_statistics {
    core::counter accepted;   ///< sockets
    core::counter refused;    ///< the beginning breaks the protocol
    core::counter timed_out;  ///< or had to make room for others
    core::counter lost;
};

/// One core's share of a listening socket: whichever core is first takes a connection, and sees it through its handshake. Made and
/// destroyed on that core.
class acceptor {
  public:
    /// `established` is called for each one that is. `port`: what `listening` listens for.
    acceptor(core::reactor& home, int listening, std::shared_ptr<const nvmf::port> port,
             const nvmf::transport_options& options, const stream_maker& make, handshake_statistics& stats,
             std::function<void(established)> established);

    /// Who is slow has to go when so many others are on their way.
    static constexpr std::size_t most_handshakes = 256;

  private:
    void accept();
    void begin(int socket, const nvmf::transport_address& peer);
    void ended(handshake& h, handshake::outcome how);
    void watch();

    core::reactor& home_;
    const int listening_;
    const std::shared_ptr<const nvmf::port> port_;
    const nvmf::transport_options& options_;
    const stream_maker& make_;
    handshake_statistics& stats_;
    std::function<void(established)> established_;
    std::list<handshake> handshakes_;  ///< the oldest first
    std::optional<core::fd_watch> watch_;
    core::timer again_;
};

}  // namespace causeway::tcp
