// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/sgl.h"

#include "nvme/sgl.h"

namespace causeway::tcp {

nvme::status parse_sgl(const nvme::command& command, std::uint32_t available, std::uint32_t length, nvmf::transfer way,
                       data_location& out) noexcept {
    using nvme::sgl_subtype;
    using nvme::sgl_type;
    namespace sc = nvme::sc;

    const nvme::sgl_descriptor& d = command.sgl;
    const auto block = d.as_data_block();
    if (d.is(sgl_type::transport_data_block, sgl_subtype::transport)) {
        if (block.length < length)
            return sc::data_sgl_length_invalid.with_dnr();
        out.capsule_offset.reset();
        return sc::success;
    }
    if (!d.is(sgl_type::data_block, sgl_subtype::offset))
        return sc::sgl_type_invalid.with_dnr();
    if (way != nvmf::transfer::from_host)
        return sc::invalid_field.with_dnr();
    if (block.address > available)
        return sc::sgl_offset_invalid.with_dnr();
    if (block.length > available - block.address || block.length < length)
        return sc::data_sgl_length_invalid.with_dnr();
    out.capsule_offset = static_cast<std::uint32_t>(block.address);
    return sc::success;
}

}  // namespace causeway::tcp
