// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/reactor.h"
#include "core/unique_fd.h"

#include <functional>

namespace causeway::gateway {

/// Keeps SIGINT and SIGTERM from the calling thread and all that it starts from then on, and ignores SIGPIPE.
void block_signals();

/// Calls a function on a reactor when the process is asked to end, once. After that signals do again what they do by
/// default: a second one ends the process at once, whatever state it is in.
class end_request {
  public:
    end_request(core::reactor& r, std::function<void()> asked);

  private:
    void read();
    core::unique_fd fd_;
    std::function<void()> asked_;
    core::fd_watch watch_;
};

}  // namespace causeway::gateway
