// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/counter.h"
#include "core/reactor.h"
#include "core/timer.h"
#include "transport/tcp/handshake.h"
#include "transport/tcp/options.h"

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <sys/socket.h>

namespace causeway::tcp {

/// Makes the stream of a connection that has been accepted; any core.
using stream_maker = std::function<std::unique_ptr<stream>(int socket)>;

/// Outcomes of handshakes. Written by their core, read by any thread.
struct handshake_statistics {
    core::counter accepted;  ///< sockets
    core::counter refused;   ///< the first PDU violates the protocol
    core::counter timed_out;
    core::counter lost;
    core::counter evicting;  ///< sockets for which the oldest that had not connected had to go
    core::counter no_memory;
    core::counter pauses;  ///< of accepting, for want of places or descriptors
};

/// One core's part of a listening socket: the first core to accept a connection runs its handshake. Made and destroyed
/// on that core.
class acceptor {
  public:
    /// `established` is called for each one that is. `port`: what `listening` listens for.
    acceptor(core::reactor& home, common::connection_limiter& limiter, int listening,
             std::shared_ptr<const nvmf::port> port, const transport_options& options, const stream_maker& make,
             handshake_statistics& stats, std::function<void(handshake_result)> on_established);

  private:
    void accept();
    void begin(int socket, const sockaddr& peer);
    void pause_accepting(std::string_view why);
    void ended(handshake& h, handshake::outcome how);
    void watch();

    core::reactor& home_;
    common::connection_limiter& limiter_;
    const int listening_;
    const std::shared_ptr<const nvmf::port> port_;
    const transport_options& options_;
    const stream_maker& make_;
    handshake_statistics& stats_;
    std::function<void(handshake_result)> on_established_;
    std::list<handshake> handshakes_;  ///< the oldest first
    std::optional<core::fd_watch> watch_;
    core::timer again_;
};

}  // namespace causeway::tcp
