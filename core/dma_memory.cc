// SPDX-License-Identifier: Apache-2.0
#include "core/dma_memory.h"

#include "core/dma_map_lock.h"
#include "core/environment.h"

#include <cstdlib>
#include <cstring>
#include <rte_malloc.h>
#include <utility>
#include <vector>

namespace causeway::core {

std::mutex& dma_map_lock() noexcept {
    static std::mutex lock;
    return lock;
}

result<dma_memory> dma_memory::reserve(std::size_t bytes, std::size_t alignment) {
    dma_memory m;
    m.size_ = (bytes + alignment - 1) / alignment * alignment;
    m.from_dpdk_ = environment::running();
    const std::lock_guard held(dma_map_lock());
    void* p = m.from_dpdk_ ? rte_malloc(nullptr, m.size_, static_cast<unsigned>(alignment))
                           : std::aligned_alloc(alignment, m.size_);
    if (!p)
        return fail(ENOMEM, "no memory for devices: " + std::to_string(m.size_) + " bytes wanted");
    m.data_ = static_cast<std::byte*>(p);
    return m;
}

result<dma_memory> dma_memory::allocate(std::size_t bytes, std::size_t alignment) {
    auto m = reserve(bytes, alignment);
    if (m)
        std::memset(m->data_, 0, m->size_);
    return m;
}

result<> dma_memory::check(std::size_t bytes, std::size_t count) {
    std::vector<dma_memory> all;
    while (all.size() < count) {
        auto m = reserve(bytes, 4096);
        if (!m)
            return tl::make_unexpected(std::move(m.error()));
        all.push_back(std::move(*m));
    }
    return {};
}

dma_memory::dma_memory(dma_memory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)), from_dpdk_(other.from_dpdk_) {}

dma_memory& dma_memory::operator=(dma_memory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(from_dpdk_, other.from_dpdk_);
    return *this;
}

dma_memory::~dma_memory() {
    if (from_dpdk_ && data_) {
        const std::lock_guard held(dma_map_lock());
        rte_free(data_);
    } else if (!from_dpdk_) {
        std::free(data_);
    }
}

}  // namespace causeway::core
