// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transport/common/connection.h"
#include "transport/tcp/qpair.h"

namespace causeway::tcp {

class tcp_transport;

/// The control side of a connection, from the end of its handshake: assigns it to a core, and tears it down in the
/// right order.
class connection final : public common::connection<connection, qpair> {
  public:
    connection(tcp_transport& transport, handshake_result e);

    /// Ends with the connection at work on its core, or given up. Started once.
    core::task<> begin();

  private:
    friend class common::connection<connection, qpair>;

    bool peer_is_gone() const noexcept { return false; }  // the queue pair knows
    core::task<> end_link();
    void on_link_ended() noexcept {}
    void on_gone();

    tcp_transport& transport_;
    handshake_result handshake_;  ///< until it lives
    poll_group* group_ = nullptr;
};

}  // namespace causeway::tcp
