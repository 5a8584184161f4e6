// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev_nvme/testing/model_options.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace causeway::bdev_nvme::testing {

/// A namespace's blocks, in memory: data and metadata apart, whichever way they travel.
class namespace_store {
  public:
    namespace_store(const model_namespace& shape, bool keeps_data) : shape_(shape), keeps_data_(keeps_data) {
        resize(shape.blocks);
    }

    const model_namespace& shape() const noexcept { return shape_; }
    std::uint64_t blocks() const noexcept { return shape_.blocks; }
    std::size_t block_bytes() const noexcept { return std::size_t{1} << shape_.lbads; }
    /// What travels by the data pointer for a block.
    std::size_t transfer_bytes() const noexcept {
        return block_bytes() + (shape_.extended ? shape_.metadata_bytes : 0u);
    }
    /// What travels by the metadata pointer for a block.
    std::size_t separate_metadata_bytes() const noexcept { return shape_.extended ? 0 : shape_.metadata_bytes; }

    bool has(std::uint64_t first, std::uint64_t count) const noexcept {
        return count <= shape_.blocks && first <= shape_.blocks - count;
    }
    void resize(std::uint64_t blocks) {
        shape_.blocks = blocks;
        if (keeps_data_) {
            data_.resize(blocks << shape_.lbads);
            metadata_.resize(blocks * shape_.metadata_bytes);
        }
    }

    // REQUIRES: keeps data, has(first, count)
    std::span<std::byte> data(std::uint64_t first, std::uint64_t count) noexcept {
        return std::span(data_).subspan(first << shape_.lbads, count << shape_.lbads);
    }
    std::span<std::byte> metadata(std::uint64_t first, std::uint64_t count) noexcept {
        return std::span(metadata_).subspan(first * shape_.metadata_bytes, count * shape_.metadata_bytes);
    }

  private:
    model_namespace shape_;
    bool keeps_data_;
    std::vector<std::byte> data_, metadata_;
};

}  // namespace causeway::bdev_nvme::testing
