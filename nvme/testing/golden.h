// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

// Wire images in tests are written out by hand, byte for byte, from the specification's tables.

namespace causeway::nvme::testing {

template <std::size_t N>
using image = std::array<std::uint8_t, N>;

/// What `T` reads from these bytes.
template <class T, std::size_t N>
T read(const image<N>& bytes) {
    static_assert(sizeof(T) == N);
    return std::bit_cast<T>(bytes);
}

/// The bytes that `T` would send.
template <class T>
image<sizeof(T)> sent(const T& value) {
    return std::bit_cast<image<sizeof(T)>>(value);
}

/// A byte of `value`, counted as the specification's tables count.
template <class T>
std::uint8_t byte_at(const T& value, std::size_t offset) {
    std::uint8_t byte;
    std::memcpy(&byte, reinterpret_cast<const char*>(&value) + offset, 1);
    return byte;
}

/// A large structure of which only the first bytes differ from zero.
template <class T, std::size_t N>
T read_prefix(const image<N>& bytes) {
    static_assert(N <= sizeof(T));
    T value{};
    std::memcpy(static_cast<void*>(&value), bytes.data(), N);
    return value;
}

}  // namespace causeway::nvme::testing
