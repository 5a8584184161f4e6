#pragma once

#include "core/task.h"
#include "transport/tcp/qpair.h"

#include <memory>

namespace causeway::tcp {

class tcp_transport;

/// A connection as control sees it: given to a core, and taken apart in the right order. The data path is its qpair. Lives on the
/// control reactor, from the end of its handshake until nothing of it is left.
class connection {
  public:
    connection(tcp_transport& transport, established e);

    /// Ends with the connection at work on its core, or given up. Started once.
    core::task<> begin();
    /// Begins to close it, once; ends with its removal from the transport, which is never within this call.
    void close(nvmf::disconnect_reason why);

  private:
    enum class state : std::uint8_t { beginning, live, closing };

    core::task<> take_apart();
    core::reactor& control() const noexcept;

    tcp_transport& transport_;
    established established_;  ///< until it lives
    state state_ = state::beginning;
    bool given_up_ = false;  ///< closed while it began
    nvmf::disconnect_reason why_{};
    core::reactor* home_ = nullptr;
    poll_group* group_ = nullptr;
    std::unique_ptr<qpair> qpair_;  ///< home reactor's
};

}  // namespace causeway::tcp
