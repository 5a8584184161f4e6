// SPDX-License-Identifier: Apache-2.0
#include "bdev/io.h"

#include "bdev/device.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace causeway::bdev {

void io::complete(nvme::status s) noexcept {
    assert(core::reactor::current() == origin);
    status = s;
    owner->count(*this);
    done(*this);  // may free this
}

void io::complete_from_anywhere(nvme::status s) noexcept {
    status = s;
    handle = [](core::message& m) noexcept {
        io& i = static_cast<io&>(m);
        i.complete(i.status);
    };
    origin->post(*this);
}

std::size_t bytes_of(std::span<const iovec> buffers) noexcept {
    std::size_t bytes = 0;
    for (const iovec& b : buffers)
        bytes += b.iov_len;
    return bytes;
}

void copy_out(std::byte* to, std::span<const iovec> from, std::size_t bytes) noexcept {
    for (const iovec& b : from) {
        const std::size_t n = std::min(bytes, b.iov_len);
        std::memcpy(to, b.iov_base, n);
        to += n;
        bytes -= n;
    }
}

void copy_in(std::span<const iovec> to, const std::byte* from, std::size_t bytes) noexcept {
    for (const iovec& b : to) {
        const std::size_t n = std::min(bytes, b.iov_len);
        std::memcpy(b.iov_base, from, n);
        from += n;
        bytes -= n;
    }
}

void fill(std::span<const iovec> to, std::byte with) noexcept {
    for (const iovec& b : to)
        std::memset(b.iov_base, static_cast<int>(with), b.iov_len);
}

bool equal(std::span<const iovec> a, const std::byte* b, std::size_t bytes) noexcept {
    for (const iovec& piece : a) {
        const std::size_t n = std::min(bytes, piece.iov_len);
        if (std::memcmp(piece.iov_base, b, n) != 0)
            return false;
        b += n;
        bytes -= n;
    }
    return true;
}

std::string_view to_string(op o) noexcept {
    switch (o) {
    case op::read: return "read";
    case op::write: return "write";
    case op::flush: return "flush";
    case op::write_zeroes: return "write_zeroes";
    case op::unmap: return "unmap";
    case op::compare: return "compare";
    case op::compare_and_write: return "compare_and_write";
    case op::verify: return "verify";
    case op::copy: return "copy";
    }
    return "?";
}

}  // namespace causeway::bdev
