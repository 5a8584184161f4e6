// SPDX-License-Identifier: Apache-2.0
#include "transport/rdma/sgl.h"

#include <cstring>

namespace causeway::rdma {

namespace {

using nvme::sgl_subtype;
using nvme::sgl_type;
namespace sc = nvme::sc;

nvme::status one_keyed(const nvme::sgl_descriptor& d, std::uint32_t length, data_location& out) noexcept {
    const auto k = d.as_keyed_data_block();
    if (k.length < length)
        return sc::data_sgl_length_invalid.with_dnr();
    out.remote[0] = {k.address, k.key, length};
    out.remote_count = 1;
    out.invalidate = d.subtype() == sgl_subtype::invalidate_key;
    return sc::success;
}

nvme::status in_capsule(const nvme::sgl_descriptor& d, std::size_t available, std::uint32_t length, nvmf::transfer way,
                        data_location& out) noexcept {
    if (way != nvmf::transfer::from_host)
        return sc::invalid_field.with_dnr();
    const auto b = d.as_data_block();
    if (b.address > available)
        return sc::sgl_offset_invalid.with_dnr();
    if (b.length > available - b.address || b.length < length)
        return sc::data_sgl_length_invalid.with_dnr();
    out.in_capsule = true;
    out.capsule_offset = static_cast<std::uint32_t>(b.address);
    return sc::success;
}

nvme::status listed(const nvme::sgl_descriptor& d, std::span<const std::byte> capsule_data, std::uint32_t length,
                    data_location& out) noexcept {
    const auto s = d.as_segment();
    constexpr std::uint32_t size = sizeof(nvme::sgl_descriptor);
    if (s.length == 0 || s.length % size != 0)
        return sc::invalid_sgl_segment.with_dnr();
    const std::uint32_t count = s.length / size;
    if (count > max_descriptors)
        return sc::invalid_sgl_count.with_dnr();
    if (s.address > capsule_data.size() || s.length > capsule_data.size() - s.address)
        return sc::sgl_offset_invalid.with_dnr();

    std::uint32_t missing = length;
    for (std::uint32_t i = 0; i < count; ++i) {
        nvme::sgl_descriptor piece;
        std::memcpy(&piece, capsule_data.data() + s.address + i * size, size);
        if (!piece.is(sgl_type::keyed_data_block, sgl_subtype::address))
            return sc::sgl_type_invalid.with_dnr();
        const auto k = piece.as_keyed_data_block();
        const std::uint32_t take = k.length < missing ? k.length.value() : missing;
        if (take == 0)
            continue;  // an empty descriptor is legal; what lies beyond the data is not used
        out.remote[out.remote_count++] = {k.address, k.key, take};
        missing -= take;
    }
    return missing ? sc::data_sgl_length_invalid.with_dnr() : sc::success;
}

}  // namespace

nvme::status parse_sgl(const nvme::command& command, std::span<const std::byte> capsule_data, std::uint32_t length,
                       nvmf::transfer way, data_location& out) noexcept {
    out.in_capsule = false;
    out.capsule_offset = 0;
    out.remote_count = 0;
    out.invalidate = false;

    const nvme::sgl_descriptor& d = command.sgl;
    if (d.is(sgl_type::keyed_data_block, sgl_subtype::address) ||
        d.is(sgl_type::keyed_data_block, sgl_subtype::invalidate_key))
        return one_keyed(d, length, out);
    if (d.is(sgl_type::data_block, sgl_subtype::offset))
        return in_capsule(d, capsule_data.size(), length, way, out);
    if (d.is(sgl_type::last_segment, sgl_subtype::offset))
        return listed(d, capsule_data, length, out);
    return sc::sgl_type_invalid.with_dnr();
}

}  // namespace causeway::rdma
