// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "nvme/endian.h"

namespace causeway::nvme {

/// NVM Express Base Specification 2.0, "Scatter Gather List (SGL)", SGL Descriptor Type.
enum class sgl_type : std::uint8_t {
    data_block = 0x0,
    bit_bucket = 0x1,
    segment = 0x2,
    last_segment = 0x3,
    keyed_data_block = 0x4,
    transport_data_block = 0x5,
    vendor = 0xf,
};

/// NVM Express Base Specification 2.0, SGL Descriptor Sub Type. `invalidate_key` is of the NVMe RDMA
/// Transport Specification 1.0, "Keyed SGL Data Block Descriptor".
enum class sgl_subtype : std::uint8_t {
    address = 0x0,
    offset = 0x1,          ///< from the start of the capsule's data (plus ICDOFF)
    transport = 0xa,       ///< the transport knows where the data is
    invalidate_key = 0xf,  ///< keyed data block: the host asks for a send with invalidate of the key
};

constexpr std::uint8_t sgl_identifier(sgl_type type, sgl_subtype subtype) noexcept {
    return static_cast<std::uint8_t>(to_underlying(type) << 4 | to_underlying(subtype));
}

/// NVM Express Base Specification 2.0, "SGL Data Block descriptor". In a capsule `address` is an offset.
struct sgl_data_block {
    le64 address;
    le32 length;  ///< bytes
    std::uint8_t reserved12[3];
    std::uint8_t identifier;  ///< type in the high nibble, subtype in the low one
};
static_assert(wire_image<sgl_data_block, 16>);
static_assert(offsetof(sgl_data_block, length) == 8);
static_assert(offsetof(sgl_data_block, identifier) == 15);

/// NVM Express Base Specification 2.0, "SGL Segment descriptor" and "SGL Last Segment descriptor": where an
/// array of descriptors is. Same layout as a data block.
using sgl_segment = sgl_data_block;

/// NVM Express Base Specification 2.0, "Keyed SGL Data Block descriptor".
struct sgl_keyed_data_block {
    le64 address;             ///< host virtual address under `key`
    le24 length;              ///< bytes
    le32 key;                 ///< remote key of the host's memory region
    std::uint8_t identifier;  ///< type in the high nibble, subtype in the low one
};
static_assert(wire_image<sgl_keyed_data_block, 16>);
static_assert(offsetof(sgl_keyed_data_block, length) == 8);
static_assert(offsetof(sgl_keyed_data_block, key) == 11);
static_assert(offsetof(sgl_keyed_data_block, identifier) == 15);

/// Any SGL descriptor. Look at `type()` and `subtype()`, then read it through the view of that type.
/// NVM Express Base Specification 2.0, "SGL Descriptor Format".
struct sgl_descriptor {
    std::uint8_t specific[15];
    std::uint8_t identifier;

    constexpr sgl_type type() const noexcept { return static_cast<sgl_type>(identifier >> 4); }
    constexpr sgl_subtype subtype() const noexcept { return static_cast<sgl_subtype>(identifier & 0xf); }
    constexpr bool is(sgl_type t, sgl_subtype s) const noexcept { return identifier == sgl_identifier(t, s); }

    constexpr sgl_data_block as_data_block() const noexcept { return std::bit_cast<sgl_data_block>(*this); }
    constexpr sgl_keyed_data_block as_keyed_data_block() const noexcept {
        return std::bit_cast<sgl_keyed_data_block>(*this);
    }
    /// Of a segment or a last segment.
    constexpr sgl_segment as_segment() const noexcept { return std::bit_cast<sgl_segment>(*this); }

    static constexpr sgl_descriptor data_block(std::uint64_t address, std::uint32_t length,
                                               sgl_subtype subtype = sgl_subtype::address) noexcept {
        return std::bit_cast<sgl_descriptor>(
            sgl_data_block{address, length, {}, sgl_identifier(sgl_type::data_block, subtype)});
    }
    static constexpr sgl_descriptor keyed_data_block(std::uint64_t address, std::uint32_t length, std::uint32_t key,
                                                     sgl_subtype subtype = sgl_subtype::address) noexcept {
        return std::bit_cast<sgl_descriptor>(
            sgl_keyed_data_block{address, length, key, sgl_identifier(sgl_type::keyed_data_block, subtype)});
    }
    static constexpr sgl_descriptor last_segment(std::uint64_t address, std::uint32_t length,
                                                 sgl_subtype subtype = sgl_subtype::offset) noexcept {
        return std::bit_cast<sgl_descriptor>(
            sgl_segment{address, length, {}, sgl_identifier(sgl_type::last_segment, subtype)});
    }
    /// As NVMe/TCP uses it for data outside the capsule.
    static constexpr sgl_descriptor transport_data_block(std::uint32_t length) noexcept {
        return std::bit_cast<sgl_descriptor>(sgl_data_block{
            std::uint64_t{0}, length, {}, sgl_identifier(sgl_type::transport_data_block, sgl_subtype::transport)});
    }
};
static_assert(wire_image<sgl_descriptor, 16>);
static_assert(offsetof(sgl_descriptor, identifier) == 15);

}  // namespace causeway::nvme
