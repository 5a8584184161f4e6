// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/random.h"
#include "nvmf/transport.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

namespace causeway::simulation {

/// A host's memory for one command: one to four pieces, each an allocation of its own, so that the address sanitizer
/// detects accesses beyond its end, and late ones.
class host_memory {
  public:
    host_memory(std::size_t bytes, std::size_t unit, core::random_source& random) : bytes_(bytes) {
        const std::size_t units = bytes / unit;
        const std::size_t count = 1 + random.below(std::min<std::size_t>(units, nvmf::request::max_segments));
        for (std::size_t i = 0, left = units; i < count; ++i) {
            const std::size_t n = i + 1 == count ? left : 1 + random.below(left - (count - i - 1));
            left -= n;
            pieces_.emplace_back(new std::byte[n * unit]);
            iovecs_.push_back({pieces_.back().get(), n * unit});
            std::memset(pieces_.back().get(), 0xaa, n * unit);
        }
    }

    std::span<const iovec> data() const noexcept { return iovecs_; }

    void put(std::span<const std::byte> from) noexcept {
        for (const iovec& p : iovecs_) {
            std::memcpy(p.iov_base, from.data(), p.iov_len);
            from = from.subspan(p.iov_len);
        }
    }
    std::vector<std::byte> get() const {
        std::vector<std::byte> all;
        all.reserve(bytes_);
        for (const iovec& p : iovecs_) {
            const auto* at = static_cast<const std::byte*>(p.iov_base);
            all.insert(all.end(), at, at + p.iov_len);
        }
        return all;
    }

  private:
    std::size_t bytes_;
    std::vector<std::unique_ptr<std::byte[]>> pieces_;
    std::vector<iovec> iovecs_;
};

}  // namespace causeway::simulation
