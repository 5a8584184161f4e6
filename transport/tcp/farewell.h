#pragma once

#include "core/task.h"
#include "transport/tcp/last_words.h"
#include "transport/tcp/stream.h"

#include <memory>

namespace causeway::tcp {

/// Sends what is left of `words`, and closes the connection once its peer has heard them: a socket that is closed with something
/// unread takes back what it has sent last. Ends within a second, on the reactor where it was called.
core::task<> take_leave(std::unique_ptr<stream> s, last_words words);

}  // namespace causeway::tcp
