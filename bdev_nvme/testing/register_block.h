// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/properties.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

namespace causeway::bdev_nvme::testing {

/// BAR 0 as plain memory, page aligned. What a store does, the model has to find out by looking.
class register_block {
  public:
    explicit register_block(std::size_t bytes) : bytes_((bytes + page - 1) / page * page) {
        memory_.reset(static_cast<std::byte*>(std::aligned_alloc(page, bytes_)));
        if (!memory_)
            throw std::bad_alloc();
        fill(0);
    }

    std::span<std::byte> bytes() const noexcept { return {memory_.get(), bytes_}; }

    std::uint32_t get32(std::size_t at) const noexcept {
        return word<std::uint32_t>(at).load(std::memory_order_acquire);
    }
    std::uint64_t get64(std::size_t at) const noexcept {
        return word<std::uint64_t>(at).load(std::memory_order_acquire);
    }
    void set32(std::size_t at, std::uint32_t v) noexcept {
        word<std::uint32_t>(at).store(v, std::memory_order_release);
    }
    void set64(std::size_t at, std::uint64_t v) noexcept {
        word<std::uint64_t>(at).store(v, std::memory_order_release);
    }
    std::uint32_t exchange32(std::size_t at, std::uint32_t v) noexcept {
        return word<std::uint32_t>(at).exchange(v, std::memory_order_acq_rel);
    }

    std::uint32_t get32(nvme::property p) const noexcept { return get32(nvme::to_underlying(p)); }
    std::uint64_t get64(nvme::property p) const noexcept { return get64(nvme::to_underlying(p)); }
    void set32(nvme::property p, std::uint32_t v) noexcept { set32(nvme::to_underlying(p), v); }
    void set64(nvme::property p, std::uint64_t v) noexcept { set64(nvme::to_underlying(p), v); }

    void fill(std::uint64_t v) noexcept {
        for (std::size_t at = 0; at < bytes_; at += sizeof v)
            set64(at, v);
    }

  private:
    static constexpr std::size_t page = 4096;
    struct freed {
        void operator()(std::byte* p) const noexcept { std::free(p); }
    };

    template <class T>
    std::atomic_ref<T> word(std::size_t at) const noexcept {
        return std::atomic_ref<T>(*reinterpret_cast<T*>(memory_.get() + at));
    }

    std::size_t bytes_;
    std::unique_ptr<std::byte, freed> memory_;
};

}  // namespace causeway::bdev_nvme::testing
