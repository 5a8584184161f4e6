// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/command.h"
#include "nvme/fabrics.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <sys/uio.h>

namespace causeway::host {

/// One command, its data and its completion. A member of its issuer; the queue pair owns it from submit() to `done`.
struct request {
    using hook = void (*)(request&) noexcept;

    nvme::command command{};      ///< CID and data pointer are the queue pair's to fill in
    std::span<const iovec> data;  ///< source or destination, as the opcode says. At most `max_pieces`
    hook done = nullptr;  ///< on the queue pair's reactor, exactly once; may submit, must not destroy the queue pair
    void* context = nullptr;

    /// The completion. If the connection was lost before it came: host_pathing_error, made by this side.
    nvme::completion completion{};

    static constexpr std::size_t max_pieces = 64;

    nvme::status status() const noexcept { return completion.status(); }
    std::uint32_t data_bytes() const noexcept {
        std::size_t n = 0;
        for (const iovec& piece : data)
            n += piece.iov_len;
        return static_cast<std::uint32_t>(n);
    }
    // From the pieces into one, and back: data_bytes() bytes.
    void gather(std::byte* to) const noexcept {
        for (const iovec& piece : data)
            to = static_cast<std::byte*>(std::memcpy(to, piece.iov_base, piece.iov_len)) + piece.iov_len;
    }
    void scatter(const std::byte* from) const noexcept {
        for (const iovec& piece : data) {
            std::memcpy(piece.iov_base, from, piece.iov_len);
            from += piece.iov_len;
        }
    }
    nvme::data_transfer direction() const noexcept {
        if (data.empty())
            return nvme::data_transfer::none;
        if (command.opcode != nvme::fabrics_opcode)
            return nvme::transfer_of(command.opcode);
        return nvme::transfer_of(reinterpret_cast<const nvme::fabrics_command&>(command).type);
    }
};

}  // namespace causeway::host
