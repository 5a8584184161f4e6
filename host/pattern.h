// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace causeway::host {

/// Self-describing data: the block's number, how many times it was written, and the run's seed. A misplaced block, an
/// older one or one of another run is recognised.
class pattern {
  public:
    pattern(std::uint64_t seed, std::uint32_t block_size) : seed_(seed), block_size_(block_size) {}

    /// Fills whole blocks, beginning with block `lba`.
    void fill(std::span<std::byte> data, std::uint64_t lba, std::uint64_t generation) const noexcept;
    bool is(std::span<const std::byte> block, std::uint64_t lba, std::uint64_t generation) const noexcept;
    /// Describes the content of a wrong block, for a message.
    std::string describe(std::span<const std::byte> block) const;

    std::uint32_t block_size() const noexcept { return block_size_; }

  private:
    std::uint64_t seed_;
    std::uint32_t block_size_;
};

}  // namespace causeway::host
