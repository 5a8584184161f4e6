// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "wire/tcp/stream.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <sys/uio.h>

namespace causeway::host {

/// What a connection has to send: headers, made here, and the data of commands, from where it is. Gathered in a turn
/// and sent with one system call.
class tcp_output {
  public:
    /// REQUIRES for the next PDU's header() and data(): a header of at most `largest_header` bytes, padding included,
    /// and data of at most request::max_pieces pieces.
    bool has_room() const noexcept {
        return headers_used_ <= header_bytes - largest_header && end_ <= pieces_.size() - pieces_of_a_pdu;
    }

    /// Zeroed room for a header, behind what there is.
    std::byte* header(std::size_t bytes) noexcept;
    void data(std::byte* from, std::size_t bytes) noexcept { pieces_[end_++] = {from, bytes}; }

    bool empty() const noexcept { return begin_ == end_; }
    /// Sends as much as goes. Afterwards it is empty, or the socket takes no more for now.
    tcp::stream::state send(tcp::stream& to) noexcept;
    /// Drops all queued output.
    void clear() noexcept { begin_ = end_ = headers_used_ = 0; }

    static constexpr std::size_t largest_header = 144;  ///< the largest alignment, and a digest behind data

  private:
    static constexpr std::size_t header_bytes = 32768;
    static constexpr std::size_t pieces_of_a_pdu = 68;

    std::array<iovec, 512> pieces_;
    std::size_t begin_ = 0, end_ = 0;
    std::size_t headers_used_ = 0;
    std::unique_ptr<std::byte[]> headers_ = std::make_unique<std::byte[]>(header_bytes);
};

}  // namespace causeway::host
