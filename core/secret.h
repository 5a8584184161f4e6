// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace causeway::core {

/// Overwrites memory before it frees it.
template <class T>
struct cleansing_allocator {
    using value_type = T;
    cleansing_allocator() noexcept = default;
    template <class U>
    cleansing_allocator(const cleansing_allocator<U>&) noexcept {}
    T* allocate(std::size_t n) { return std::allocator<T>().allocate(n); }
    void deallocate(T* p, std::size_t n) noexcept {
        ::explicit_bzero(p, n * sizeof(T));
        std::allocator<T>().deallocate(p, n);
    }
    bool operator==(const cleansing_allocator&) const noexcept = default;
};

/// Bytes of a key. They never appear in logs, errors or responses.
using secret = std::vector<unsigned char, cleansing_allocator<unsigned char>>;

}  // namespace causeway::core
