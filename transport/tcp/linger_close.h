// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/task.h"
#include "transport/tcp/term_req.h"
#include "wire/tcp/stream.h"

#include <memory>

namespace causeway::tcp {

/// Sends the rest of the termination request and closes the connection once the peer has had time to read it: closing a
/// socket with unread data discards what was sent last. Ends within a second, on the reactor where it was called.
core::task<> linger_close(std::unique_ptr<stream> s, term_req request);

}  // namespace causeway::tcp
