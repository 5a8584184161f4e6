// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/task.h"
#include "core/unique_fd.h"
#include "transport/tcp/acceptor.h"

#include <memory>
#include <vector>

namespace causeway::tcp {

class tcp_transport;

/// A port where hosts connect. One socket, from which every core accepts. Control reactor.
class listener {
  public:
    listener(tcp_transport& transport, std::shared_ptr<const nvmf::port> port, stream_maker make);
    /// REQUIRES: close() has ended, or open() has failed.
    ~listener();

    core::task<core::result<>> open();  ///< EADDRINUSE, EADDRNOTAVAIL, EINVAL
    core::task<> close();
    const std::shared_ptr<const nvmf::port>& port() const noexcept { return port_; }

  private:
    tcp_transport& transport_;
    const std::shared_ptr<const nvmf::port> port_;
    const stream_maker make_;
    core::unique_fd socket_;
    std::vector<std::unique_ptr<acceptor>> acceptors_;  ///< each its core's
};

}  // namespace causeway::tcp
