// SPDX-License-Identifier: Apache-2.0
#include "rpc/bdev_service.h"

#include "core/printable.h"

#include <bit>

namespace causeway::rpc {

answer add_device(bdev_service& service, std::shared_ptr<bdev::device> d) {
    const std::string name = d->name();
    if (const auto added = service.devices.add(std::move(d)); !added)
        return refuse(added.error());
    return json(name);
}

complaint check_identity(const std::string& name, const std::optional<bdev::uuid>& uuid) {
    constexpr std::size_t longest = 255;
    if (name.empty() || name.size() > longest || !core::is_printable(name))
        return "parameter 'name' must be 1 to 255 bytes of printable text";
    if (uuid && *uuid == bdev::uuid{})
        return "parameter 'uuid' must not be all zeroes: leave it out, or take one from uuidgen";
    return {};
}

complaint check_shape(std::uint32_t block_size, std::uint64_t num_blocks, std::uint32_t physical_block_size) {
    constexpr std::uint32_t largest_block = 64u << 10;  // beyond it hosts take none, and a command may not carry one
    if (!std::has_single_bit(block_size) || block_size < 512 || block_size > largest_block)
        return "parameter 'block_size' must be a power of two from 512 to 65536";
    if (num_blocks == 0 || num_blocks > std::uint64_t{1} << 63 >> std::countr_zero(block_size))
        return "parameter 'num_blocks' must be at least 1, and all blocks together below 8 EiB";
    if (physical_block_size % block_size != 0)
        return "parameter 'physical_block_size' must be a multiple of 'block_size'";
    return {};
}

void add_bdev_config(saved_config& config, bdev_service& service) {
    config.add_writer("bdev", config_phase::objects, [&service](json& calls) {
        for (const auto& d : service.devices.all())
            if (auto call = service.kinds.config(*d))
                calls.push_back(std::move(*call));
    });
}

void add_bdev_methods(method_table& methods, saved_config& config, bdev_service& service) {
    add_bdev_info_methods(methods, service);
    add_bdev_iostat_methods(methods, service);
    add_bdev_null_methods(methods, service);
    add_bdev_malloc_methods(methods, service);
    add_bdev_error_methods(methods, service);
    add_bdev_config(config, service);
    add_bdev_qos_methods(methods, config, service);
}

}  // namespace causeway::rpc
