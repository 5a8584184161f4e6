// SPDX-License-Identifier: Apache-2.0
// bdev_null_create, bdev_null_delete, bdev_null_resize.

#include "bdev/null_device.h"
#include "rpc/bdev_service.h"
#include "rpc/uuid_param.h"

#include <limits>

namespace causeway::rpc {

namespace {

struct create_params {
    std::string name;
    std::uint32_t block_size = 0;
    std::uint64_t num_blocks = 0;
    std::optional<bdev::uuid> uuid;
    std::uint32_t physical_block_size = 0;
    std::uint32_t write_granularity = 0, write_alignment = 0, write_size = 0;
    std::uint32_t unmap_granularity = 0, unmap_alignment = 0;
};
constexpr std::uint64_t largest_preference = 1u << 16;  // NPWG and its like are 16 bits, counted from 0
const declaration<create_params> create_method = {
    .name = "bdev_null_create",
    .summary = "Creates a null device: it takes writes and forgets them, and reads are zeroes.",
    .parameters =
        {
            required("name", &create_params::name, "Its name."),
            required("block_size", &create_params::block_size, "Bytes in a block: a power of two from 512 to 65536.")
                .within(512, 65536),
            required("num_blocks", &create_params::num_blocks, "Its size in blocks: below 8 EiB.")
                .within(1, std::numeric_limits<std::int64_t>::max()),
            optional("uuid", &create_params::uuid, "Its UUID; without one it gets a random one."),
            optional("physical_block_size", &create_params::physical_block_size, "Bytes: a multiple of `block_size`."),
            optional("preferred_write_granularity", &create_params::write_granularity, "Blocks (NPWG).")
                .within(0, largest_preference),
            optional("preferred_write_alignment", &create_params::write_alignment, "Blocks (NPWA).")
                .within(0, largest_preference),
            optional("optimal_write_size", &create_params::write_size, "Blocks (NOWS).").within(0, largest_preference),
            optional("preferred_unmap_granularity", &create_params::unmap_granularity, "Blocks (NPDG).")
                .within(0, largest_preference),
            optional("preferred_unmap_alignment", &create_params::unmap_alignment, "Blocks (NPDA).")
                .within(0, largest_preference),
            only<create_params>("md_size", 0, "metadata is not supported"),
            only<create_params>("dif_type", 0, "protection information is not supported"),
            ignored<create_params, std::uint32_t>("dif_pi_format", "protection information is not supported"),
            ignored<create_params, bool>("dif_is_head_of_md", "protection information is not supported"),
        },
    .result = name_of_device,
    .errors = {name_is_taken},
};

answer create(bdev_service& service, create_params p) {
    if (auto wrong = check_shape(p.block_size, p.num_blocks, p.physical_block_size); !wrong.empty())
        return refuse_parameters(std::move(wrong));
    if (auto wrong = check_identity(p.name, p.uuid); !wrong.empty())
        return refuse_parameters(std::move(wrong));
    bdev::device_geometry g;
    g.block_size = p.block_size;
    g.blocks = p.num_blocks;
    g.physical_block_size = p.physical_block_size;
    g.optimal_write_blocks = p.write_size;
    g.write_granularity_blocks = p.write_granularity;
    g.write_alignment_blocks = p.write_alignment;
    g.unmap_granularity_blocks = p.unmap_granularity;
    g.unmap_alignment_blocks = p.unmap_alignment;
    const auto uuid = p.uuid ? *p.uuid : bdev::random_uuid();
    return add_device(service, std::make_shared<bdev::null_device>(service.devices.group(), p.name, g, uuid));
}

struct resize_params {
    std::string name;
    std::uint64_t new_size = 0;  ///< mebibytes
};
const declaration<resize_params> resize_method = {
    .name = "bdev_null_resize",
    .summary = "Enlarges a null device; hosts that use it are told.",
    .parameters =
        {
            required("name", &resize_params::name, "The device."),
            required("new_size", &resize_params::new_size, "Its new size, in MiB.").within(0, largest_size_mb),
        },
    .errors = {no_such_device, {-EINVAL, "the new size is below the present one"}},
};

const declaration<name_params> delete_method = {
    .name = "bdev_null_delete",
    .summary = "Deletes a null device; its hosts lose it.",
    .parameters = name_field("The device."),
    .errors = {no_such_device},
};

answer resize(bdev_service& service, const resize_params& p) {
    const auto d = find_device<bdev::null_device>(service, p.name);
    if (!d)
        return tl::make_unexpected(d.error());
    const std::uint64_t blocks_per_mebibyte = mebibyte / std::min<std::uint64_t>((*d)->geometry().block_size, mebibyte);
    if (p.new_size * blocks_per_mebibyte < (*d)->blocks())
        return refuse_errno(EINVAL, "the new size must not be below the present one", p.name);
    (*d)->set_blocks(p.new_size * blocks_per_mebibyte);
    return ok();
}

std::optional<json> config(const bdev::device& d) {
    if (!dynamic_cast<const bdev::null_device*>(&d))
        return std::nullopt;
    const auto& g = d.geometry();
    json params = {{"name", d.name()},
                   {"num_blocks", d.blocks()},
                   {"block_size", g.block_size},
                   {"physical_block_size", g.physical_block_size},
                   {"uuid", bdev::to_string(d.id())}};
    const std::pair<const char*, std::uint32_t> preferences[] = {
        {"preferred_write_granularity", g.write_granularity_blocks},
        {"preferred_write_alignment", g.write_alignment_blocks},
        {"optimal_write_size", g.optimal_write_blocks},
        {"preferred_unmap_granularity", g.unmap_granularity_blocks},
        {"preferred_unmap_alignment", g.unmap_alignment_blocks},
    };
    for (const auto& [name, value] : preferences)
        if (value)
            params[name] = value;
    return saved_config::call("bdev_null_create", std::move(params));
}

}  // namespace

void add_bdev_null_methods(method_table& methods, bdev_service& service) {
    service.kinds.add({config, {}});
    methods.add(create_method, [&service](create_params p) { return create(service, std::move(p)); });
    methods.add(delete_method,
                [&service](name_params p) { return remove_device<bdev::null_device>(service, std::move(p)); });
    methods.add(resize_method, [&service](const resize_params& p) { return resize(service, p); });
}

}  // namespace causeway::rpc
