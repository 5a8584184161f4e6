// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <isa-l/crc.h>
#include <span>

namespace causeway::tcp {

/// Digest of headers and data. NVM Express TCP Transport Specification 1.0, "PDU Digests": CRC-32C, as in RFC 3385.
class crc32c {
  public:
    void add(std::span<const std::byte> bytes) noexcept {
        // The library takes a non-const pointer and an int, and changes nothing.
        auto* data = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes.data()));
        state_ = ::crc32_iscsi(data, static_cast<int>(bytes.size()), state_);
    }
    std::uint32_t value() const noexcept { return ~state_; }

  private:
    std::uint32_t state_ = ~0u;
};

}  // namespace causeway::tcp
