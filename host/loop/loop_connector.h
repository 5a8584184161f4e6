// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "host/address.h"
#include "host/queue_pair.h"

#include <memory>
#include <string>

namespace causeway::loop {
class loop_transport;
}

namespace causeway::host {

/// Queue pairs to a target in the same process, as messages between reactors: what runs in virtual time, and what
/// measures a target without a network.
///
/// Data is copied into memory that belongs to the connection, whatever the transport does with it then. So close()
/// gives the caller's memory back at once, while the target may still work in the connection's; that lives until the
/// target has released it.
class loop_connector final : public connector {
  public:
    /// `to`: "loop", and a listener of the transport, which outlives the queue pairs and whose stop() ends what is left
    /// of their connections.
    loop_connector(loop::loop_transport& t, address to) : transport_(t), address_(std::move(to)) {}

    /// On a reactor of the target's group. Errors: ECONNREFUSED; EINVAL, deeper than the transport allows.
    core::task<core::result<std::unique_ptr<queue_pair>>> open(queue_pair_options o) override;
    std::string name() const override { return address_.text(); }

  private:
    loop::loop_transport& transport_;
    const address address_;
};

}  // namespace causeway::host
