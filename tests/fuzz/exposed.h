#pragma once

#include "core/buffer_pool.h"
#include "tests/fuzz/gateway.h"

#include <array>
#include <cstddef>

namespace causeway::fuzz {

// The product has no use for these counts, so it offers none. An explicit instantiation may name private members: that
// lets a test look without changing what it looks at.
template <class Tag, typename Tag::type Member>
struct exposed {
    friend constexpr typename Tag::type member(Tag) { return Member; }
};

/// How many buffers of that size can be had, all of which go back.
inline std::size_t free_buffers(core::buffer_pool& pool, std::uint32_t bytes) {
    std::array<std::byte*, small_buffers + large_buffers + 1> taken;
    std::size_t n = 0;
    while (n < taken.size() && (taken[n] = pool.take(bytes)))
        ++n;
    for (std::size_t i = n; i-- > 0;)
        pool.give_back(taken[i], bytes);
    return n;
}

}  // namespace causeway::fuzz
