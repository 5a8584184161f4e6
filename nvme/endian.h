// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace causeway::nvme {

// The types below are copied to and from the wire as they are.
static_assert(std::endian::native == std::endian::little);

/// A struct that may be laid over received bytes at any address, or sent as it stands in memory.
template <class T, std::size_t N>
concept wire_image =
    sizeof(T) == N && alignof(T) == 1 && std::is_trivially_copyable_v<T> && std::is_standard_layout_v<T>;

/// An unsigned integer in little-endian byte order without alignment. Converts both ways implicitly, so that
/// wire structs read like plain ones. A value wider than `Bytes` loses its high bytes.
///
/// Has a trivial default constructor: uninitialised unless written `T x{}`.
template <std::unsigned_integral Value, std::size_t Bytes>
struct little_endian {
    std::array<std::uint8_t, Bytes> bytes;

    little_endian() = default;

    constexpr little_endian(Value value) noexcept {
        const auto whole = std::bit_cast<std::array<std::uint8_t, sizeof(Value)>>(value);
        if constexpr (Bytes == sizeof(Value)) {
            bytes = whole;
        } else {
            bytes = {};
            for (std::size_t i = 0; i < Bytes; ++i) {
                bytes[i] = whole[i];
            }
        }
    }

    constexpr Value value() const noexcept {
        if constexpr (Bytes == sizeof(Value)) {
            return std::bit_cast<Value>(bytes);
        } else {
            std::array<std::uint8_t, sizeof(Value)> whole{};
            for (std::size_t i = 0; i < Bytes; ++i) {
                whole[i] = bytes[i];
            }
            return std::bit_cast<Value>(whole);
        }
    }

    constexpr operator Value() const noexcept { return value(); }
};

using le16 = little_endian<std::uint16_t, 2>;
using le24 = little_endian<std::uint32_t, 3>;
using le32 = little_endian<std::uint32_t, 4>;
using le64 = little_endian<std::uint64_t, 8>;

static_assert(wire_image<le16, 2>);
static_assert(wire_image<le24, 3>);
static_assert(wire_image<le32, 4>);
static_assert(wire_image<le64, 8>);

/// The 16-byte counters and capacities of identify data and of the SMART log page.
struct le128 {
    le64 low;
    le64 high;
};
static_assert(wire_image<le128, 16>);

/// The byte that goes on the wire for an enumerator. Stands in for C++23's std::to_underlying.
template <class Enum>
    requires std::is_enum_v<Enum>
constexpr auto to_underlying(Enum e) noexcept {
    return static_cast<std::underlying_type_t<Enum>>(e);
}

/// Bits `High` down to `Low` of a value, as the specification's tables write them ("bits 15:08").
template <unsigned High, unsigned Low, std::unsigned_integral Value>
constexpr Value bits(Value value) noexcept {
    static_assert(High >= Low && High < sizeof(Value) * 8);
    // Not ~Value{0}: narrow types promote to int, and the shift would keep its sign.
    constexpr Value mask = std::numeric_limits<Value>::max() >> (sizeof(Value) * 8 - 1 - (High - Low));
    return static_cast<Value>((value >> Low) & mask);
}

/// `value` with its bits `High` down to `Low` replaced. What does not fit is cut off.
template <unsigned High, unsigned Low, std::unsigned_integral Value>
constexpr Value with_bits(Value value, std::type_identity_t<Value> field) noexcept {
    static_assert(High >= Low && High < sizeof(Value) * 8);
    constexpr Value mask = std::numeric_limits<Value>::max() >> (sizeof(Value) * 8 - 1 - (High - Low));
    return static_cast<Value>((value & ~(Value{mask} << Low)) | ((field & mask) << Low));
}

}  // namespace causeway::nvme
