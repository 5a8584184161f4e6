// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/tcp.h"
#include "wire/tcp/crc32c.h"

#include <array>
#include <cassert>
#include <cstring>
#include <span>
#include <sys/uio.h>

namespace causeway::tcp {

/// PDUs that are sent together: headers, data in place, and what follows it. The owner keeps it and the data until
/// everything is sent.
class outgoing {
  public:
    void clear() noexcept { head_size_ = data_size_ = tail_size_ = 0; }

    /// Appends a PDU without data; `plen` and the header digest are filled in.
    template <class T>
    void add(T header, bool digest) noexcept {
        // Behind data there is room for one.
        std::byte* const to = data_size_ ? tail_.data() : head_.data();
        std::uint32_t& size = data_size_ ? tail_size_ : head_size_;
        assert(size + sizeof header + nvme::tcp_digest_size <= (data_size_ ? tail_.size() : head_.size()));
        header.common.hlen = sizeof header;
        header.common.plen = static_cast<std::uint32_t>(sizeof header + (digest ? nvme::tcp_digest_size : 0));
        size += write_header(to + size, header, digest);
    }

    /// Appends a PDU with data. REQUIRES: the first one. `alignment`: of the data, in bytes, at most 128.
    template <class T>
    void add(T header, bool header_digest, bool data_digest, std::uint32_t alignment,
             std::span<const std::byte> data) noexcept {
        assert(head_size_ == 0 && !data.empty());
        const auto header_end = static_cast<std::uint32_t>(sizeof header + (header_digest ? nvme::tcp_digest_size : 0));
        const std::uint32_t begin = (header_end + alignment - 1) / alignment * alignment;
        const auto size = static_cast<std::uint32_t>(data.size());
        header.common.hlen = sizeof header;
        header.common.pdo = static_cast<std::uint8_t>(begin);
        header.common.plen = begin + size + (data_digest ? nvme::tcp_digest_size : 0);
        if (data_digest)
            header.common.flags |= nvme::tcp_data_digest;
        write_header(head_.data(), header, header_digest);
        std::memset(head_.data() + header_end, 0, begin - header_end);
        head_size_ = begin;
        data_ = data.data();
        data_size_ = size;
        if (data_digest) {
            crc32c sum;
            sum.add(data);
            tail_size_ = write_digest(tail_.data(), sum);
        }
    }

    static constexpr unsigned max_pieces = 3;
    std::uint32_t size() const noexcept { return head_size_ + data_size_ + tail_size_; }  ///< bytes
    /// Appends what is left when `sent` bytes are gone; how many pieces those are. REQUIRES: sent < size().
    unsigned pieces(std::size_t sent, iovec* to) const noexcept {
        unsigned n = 0;
        const auto add = [&](const std::byte* at, std::size_t size) {
            if (sent >= size) {
                sent -= size;
                return;
            }
            to[n++] = {const_cast<std::byte*>(at + sent), size - sent};
            sent = 0;
        };
        add(head_.data(), head_size_);
        add(data_, data_size_);
        add(tail_.data(), tail_size_);
        return n;
    }

  private:
    static std::uint32_t write_digest(std::byte* to, const crc32c& sum) noexcept {
        const nvme::le32 value = sum.value();
        std::memcpy(to, &value, sizeof value);
        return sizeof value;
    }
    template <class T>
    static std::uint32_t write_header(std::byte* to, T& header, bool digest) noexcept {
        if (digest)
            header.common.flags |= nvme::tcp_header_digest;
        std::memcpy(to, &header, sizeof header);
        if (!digest)
            return sizeof header;
        crc32c sum;
        sum.add({to, sizeof header});
        return static_cast<std::uint32_t>(sizeof header) + write_digest(to + sizeof header, sum);
    }

    const std::byte* data_ = nullptr;
    std::uint32_t head_size_ = 0, data_size_ = 0, tail_size_ = 0;  ///< bytes
    // A header with its digest and a pad to 128; or four R2Ts with theirs.
    alignas(8) std::array<std::byte, 128> head_;
    // A data digest, and a response with its own.
    alignas(8) std::array<std::byte, 32> tail_;
};

}  // namespace causeway::tcp
