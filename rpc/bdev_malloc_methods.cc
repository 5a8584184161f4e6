// SPDX-License-Identifier: Apache-2.0
// bdev_malloc_create, bdev_malloc_delete.

#include "bdev/memory_device.h"
#include "rpc/bdev_service.h"
#include "rpc/uuid_param.h"

#include <fmt/format.h>
#include <limits>
#include <unistd.h>

namespace causeway::rpc {

namespace {

struct create_params {
    std::string name;
    std::uint32_t block_size = 0;
    std::uint64_t num_blocks = 0;
    std::optional<bdev::uuid> uuid;
    std::uint32_t physical_block_size = 0;
};
const declaration<create_params> create_method = {
    .name = "bdev_malloc_create",
    .summary = "Creates a memory device: what is written to it is gone when the gateway ends.",
    .parameters =
        {
            optional("name", &create_params::name, "Its name; without one, `Malloc` and a number."),
            required("block_size", &create_params::block_size, "Bytes in a block: a power of two from 512 to 65536.")
                .within(512, 65536),
            required("num_blocks", &create_params::num_blocks, "Its size in blocks: at most the machine's memory.")
                .within(1, std::numeric_limits<std::int64_t>::max()),
            optional("uuid", &create_params::uuid, "Its UUID; without one it gets a random one."),
            optional("physical_block_size", &create_params::physical_block_size, "Bytes: a multiple of `block_size`."),
            ignored<create_params, std::uint32_t>("optimal_io_boundary", "I/O is not split"),
            ignored<create_params, std::int32_t>("numa_id", "its memory comes from wherever there is some"),
            only<create_params>("md_size", 0, "metadata is not supported"),
            ignored<create_params, bool>("md_interleave", "metadata is not supported"),
            only<create_params>("dif_type", 0, "protection information is not supported"),
            ignored<create_params, bool>("dif_is_head_of_md", "protection information is not supported"),
            ignored<create_params, std::uint32_t>("dif_pi_format", "protection information is not supported"),
        },
    .result = name_of_device,
    .errors = {name_is_taken, {-ENOMEM, "there is not so much memory"}},
};

const declaration<name_params> delete_method = {
    .name = "bdev_malloc_delete",
    .summary = "Deletes a memory device, with what is on it; its hosts lose it.",
    .parameters = name_field("The device."),
    .errors = {no_such_device},
};

answer create(bdev_service& service, create_params p) {
    if (auto wrong = check_shape(p.block_size, p.num_blocks, p.physical_block_size); !wrong.empty())
        return refuse_parameters(std::move(wrong));
    if (p.name.empty())
        p.name = service.devices.free_name("Malloc");
    if (auto wrong = check_identity(p.name, p.uuid); !wrong.empty())
        return refuse_parameters(std::move(wrong));
    const std::uint64_t memory = std::uint64_t(::sysconf(_SC_PHYS_PAGES)) * std::uint64_t(::sysconf(_SC_PAGESIZE));
    if (p.num_blocks > memory / p.block_size)
        return refuse_errno(ENOMEM,
                            fmt::format("{} blocks of {} bytes are more than the {} MiB of this machine: take fewer",
                                        p.num_blocks, p.block_size, memory / mebibyte),
                            p.name);
    auto name = service.devices.reserve(p.name);
    if (!name)
        return refuse(name.error());
    bdev::device_geometry g;
    g.block_size = p.block_size;
    g.blocks = p.num_blocks;
    g.physical_block_size = p.physical_block_size;
    auto made = bdev::memory_device::create(service.homes.lease(core::lease_kind::disk), p.name, g,
                                            p.uuid ? *p.uuid : bdev::random_uuid());
    if (!made)
        return refuse(made.error());
    if (const auto added = service.devices.add(std::move(*made), std::move(*name)); !added)
        return refuse(added.error());
    return json(p.name);
}

std::optional<json> config(const bdev::device& d) {
    if (!dynamic_cast<const bdev::memory_device*>(&d))
        return std::nullopt;
    return saved_config::call("bdev_malloc_create", {{"name", d.name()},
                                                     {"num_blocks", d.blocks()},
                                                     {"block_size", d.geometry().block_size},
                                                     {"physical_block_size", d.geometry().physical_block_size},
                                                     {"uuid", bdev::to_string(d.id())}});
}

}  // namespace

void add_bdev_malloc_methods(method_table& methods, bdev_service& service) {
    service.kinds.add({config, {}});
    methods.add(create_method, [&service](create_params p) { return create(service, std::move(p)); });
    methods.add(delete_method,
                [&service](name_params p) { return remove_device<bdev::memory_device>(service, std::move(p)); });
}

}  // namespace causeway::rpc
