// SPDX-License-Identifier: Apache-2.0
#include "host/tcp_output.h"

#include <cstring>

namespace causeway::host {

std::byte* tcp_output::header(std::size_t bytes) noexcept {
    std::byte* const at = headers_.get() + headers_used_;
    headers_used_ += bytes;
    std::memset(at, 0, bytes);
    // Headers one after the other are one piece.
    if (end_ > begin_) {
        iovec& last = pieces_[end_ - 1];
        if (static_cast<std::byte*>(last.iov_base) + last.iov_len == at) {
            last.iov_len += bytes;
            return at;
        }
    }
    pieces_[end_++] = {at, bytes};
    return at;
}

tcp::stream::state tcp_output::send(tcp::stream& to) noexcept {
    while (begin_ < end_) {
        auto [sent, after] = to.send({pieces_.data() + begin_, end_ - begin_});
        if (after != tcp::stream::state::open)
            return after;
        if (sent == 0)
            return after;
        while (begin_ < end_ && sent >= pieces_[begin_].iov_len)
            sent -= pieces_[begin_++].iov_len;
        if (sent) {
            iovec& rest = pieces_[begin_];
            rest.iov_base = static_cast<std::byte*>(rest.iov_base) + sent;
            rest.iov_len -= sent;
        }
    }
    clear();
    return tcp::stream::state::open;
}

}  // namespace causeway::host
