// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"

#include <cstddef>
#include <span>

namespace causeway::core {

/// A zeroed region of memory that devices may read and write: from DPDK's heap (huge pages where there are
/// some) once the environment runs, from the C library before, as in unit tests. What needs the region
/// registered (an RDMA protection domain) registers it whole.
class dma_memory {
  public:
    dma_memory() noexcept = default;
    dma_memory(dma_memory&& other) noexcept;
    dma_memory& operator=(dma_memory&& other) noexcept;
    ~dma_memory();

    /// Control path. `alignment` is a power of two. Error: ENOMEM.
    static result<dma_memory> allocate(std::size_t bytes, std::size_t alignment = 4096);
    /// Control path. Whether `count` regions of so many bytes could be allocated now. Error: ENOMEM.
    static result<> check(std::size_t bytes, std::size_t count);

    std::byte* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    std::span<std::byte> bytes() const noexcept { return {data_, size_}; }

  private:
    /// Neither zeroed nor touched.
    static result<dma_memory> reserve(std::size_t bytes, std::size_t alignment);

    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
    bool from_dpdk_ = false;
};

}  // namespace causeway::core
