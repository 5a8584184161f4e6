// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/placement.h"
#include "core/task.h"
#include "transport/tcp/qpair.h"

#include <memory>

namespace causeway::tcp {

class tcp_transport;

/// The control side of a connection: assigns it to a core, and tears it down in the right order. The data path is its
/// qpair. Lives on the control reactor, from the end of its handshake until all of its resources are released.
class connection {
  public:
    connection(tcp_transport& transport, handshake_result e);

    /// Ends with the connection at work on its core, or given up. Started once.
    core::task<> begin();
    /// Begins to close it, once. Closing ends with its removal from the transport, which never happens within this
    /// call.
    void close(nvmf::disconnect_reason why);

  private:
    enum class state : std::uint8_t { beginning, live, closing };

    core::task<> tear_down();
    core::reactor& control() const noexcept;

    tcp_transport& transport_;
    handshake_result handshake_;  ///< until it lives
    state state_ = state::beginning;
    bool cancelled_ = false;  ///< closed while it began
    nvmf::disconnect_reason why_{};
    core::core_lease lease_;
    poll_group* group_ = nullptr;
    std::unique_ptr<qpair> qpair_;  ///< home reactor's
};

}  // namespace causeway::tcp
