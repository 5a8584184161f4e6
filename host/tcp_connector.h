// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/unique_fd.h"
#include "host/address.h"
#include "host/queue_pair.h"
#include "host/tcp_queue_pair.h"

#include <functional>
#include <memory>

namespace causeway::host {

/// Queue pairs over TCP to one address.
class tcp_connector final : public connector {
  public:
    /// Makes the stream that carries the PDUs, from a connected socket that it takes over. `o` describes the queue.
    using stream_maker =
        std::function<core::task<core::result<std::unique_ptr<tcp::stream>>>(int socket, const queue_pair_options& o)>;

    explicit tcp_connector(address to, tcp_options options = {}, stream_maker make_stream = plain);

    core::task<core::result<std::unique_ptr<queue_pair>>> open(queue_pair_options o) override;
    std::string name() const override { return address_.text(); }

    static core::task<core::result<std::unique_ptr<tcp::stream>>> plain(int socket, const queue_pair_options& o);

  private:
    core::task<core::result<core::unique_fd>> connect_socket();

    const address address_;
    const tcp_options options_;
    const stream_maker make_stream_;
};

}  // namespace causeway::host
