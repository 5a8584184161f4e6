// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/command.h"

#include <cstdint>
#include <span>
#include <sys/uio.h>

namespace causeway::loop {

/// One command as a host sees it, in the host's own memory: not accessed by other code between submit() and `done`.
struct host_request {
    using hook = void (*)(host_request&) noexcept;

    nvme::command command{};  ///< submit() fills in the cid
    /// What is sent, or where the answer's data goes. At most nvmf::request::max_segments pieces.
    std::span<const iovec> data;
    hook done = nullptr;  ///< on the host's reactor, exactly once
    void* context = nullptr;

    /// The answer. Of a command whose connection was lost: host_pathing_error, made up by the host's own end.
    nvme::completion completion{};
    std::uint32_t moved = 0;  ///< bytes of data that the target has read or written for it; where it has succeeded

    nvme::status status() const noexcept { return completion.status(); }
};

}  // namespace causeway::loop
