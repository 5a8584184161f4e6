// SPDX-License-Identifier: Apache-2.0
#include "transport/loop/data_buffers.h"

#include <algorithm>
#include <array>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

namespace causeway::loop {

namespace {

constexpr std::byte poison_value{0xdb};

}  // namespace

core::result<data_buffers> data_buffers::create(const nvmf::transport_options& o, bool poisoned) {
    const std::array classes{core::buffer_pool::size_class{small_bytes, o.small_buffers},
                             core::buffer_pool::size_class{o.max_io_size, o.large_buffers}};
    const bool one_size = o.max_io_size <= small_bytes;
    auto pool = core::buffer_pool::create(std::span(classes).first(one_size ? 1 : 2));
    if (!pool)
        return tl::make_unexpected(std::move(pool.error()));
    return data_buffers(std::move(*pool), poisoned);
}

data_buffers::data_buffers(core::buffer_pool pool, bool poisoned) noexcept
    : pool_(std::move(pool)), poisoned_(poisoned) {
    if (poisoned_)
        poison(pool_.memory().data(), pool_.memory().size());
}

std::size_t data_buffers::whole(std::uint32_t bytes) const noexcept {
    return bytes <= small_bytes ? small_bytes : pool_.largest();
}

void data_buffers::poison(std::byte* buffer, std::size_t bytes) noexcept {
    std::fill_n(buffer, bytes, poison_value);
    ASAN_POISON_MEMORY_REGION(buffer, bytes);
}

bool data_buffers::intact(const std::byte* buffer, std::size_t bytes) const noexcept {
    ASAN_UNPOISON_MEMORY_REGION(buffer, bytes);
    return std::all_of(buffer, buffer + bytes, [](std::byte b) { return b == poison_value; });
}

void data_buffers::wait(core::buffer_claim& c) noexcept {
    ++waiting_;
    pool_.wait(c);
}

void data_buffers::accept(core::buffer_claim& c, std::uint32_t bytes) noexcept {
    --waiting_;
    unwrap(c.data, bytes);
}

void data_buffers::cancel(core::buffer_claim& c) noexcept {
    --waiting_;
    pool_.cancel(c);
}

std::uint64_t data_buffers::damaged() noexcept {
    if (poisoned_ && taken_ == 0) {
        if (!intact(pool_.memory().data(), pool_.memory().size()))
            ++damaged_;
        poison(pool_.memory().data(), pool_.memory().size());
    }
    return damaged_;
}

}  // namespace causeway::loop
