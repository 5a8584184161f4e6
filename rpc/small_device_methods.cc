#include "bdev/memory_device.h"
#include "bdev/null_device.h"
#include "rpc/bdev_methods.h"
#include "rpc/params.h"
#include "rpc/uuid_param.h"

#include <limits>

namespace causeway::rpc {

namespace {

struct create_params {
    std::string name;
    std::uint32_t block_size = 0;
    std::uint64_t num_blocks = 0;
    std::uint32_t physical_block_size = 0;
    std::optional<bdev::uuid> uuid;
    std::uint32_t optimal_write_size = 0;
    std::uint32_t preferred_write_granularity = 0;
    std::uint32_t preferred_write_alignment = 0;
    std::uint32_t preferred_unmap_granularity = 0;
    std::uint32_t preferred_unmap_alignment = 0;
};

constexpr std::string_view no_metadata = "metadata and protection information are not supported";

const fields<create_params> malloc_fields = {
    optional("name", &create_params::name),
    required("block_size", &create_params::block_size),
    required("num_blocks", &create_params::num_blocks),
    optional("uuid", &create_params::uuid),
    optional("physical_block_size", &create_params::physical_block_size),
    only<create_params>("optimal_io_boundary", 0, "no boundary matters to memory"),
    only<create_params>("md_size", 0, no_metadata),
    only<create_params>("md_interleave", false, no_metadata),
    only<create_params>("dif_type", 0, no_metadata),
    only<create_params>("dif_is_head_of_md", false, no_metadata),
    only<create_params>("dif_pi_format", 0, no_metadata),
    only<create_params>("numa_id", -1, "memory comes from wherever the core's is"),
};

const fields<create_params> null_fields = {
    required("name", &create_params::name),
    required("block_size", &create_params::block_size),
    required("num_blocks", &create_params::num_blocks),
    optional("uuid", &create_params::uuid),
    optional("physical_block_size", &create_params::physical_block_size),
    only<create_params>("md_size", 0, no_metadata),
    only<create_params>("dif_type", 0, no_metadata),
    only<create_params>("dif_pi_format", 0, no_metadata),
    only<create_params>("dif_is_head_of_md", false, no_metadata),
    optional("preferred_write_granularity", &create_params::preferred_write_granularity),
    optional("preferred_write_alignment", &create_params::preferred_write_alignment),
    optional("optimal_write_size", &create_params::optimal_write_size),
    optional("preferred_unmap_granularity", &create_params::preferred_unmap_granularity),
    optional("preferred_unmap_alignment", &create_params::preferred_unmap_alignment),
};

struct delete_params {
    std::string name;
};
const fields<delete_params> delete_fields = {required("name", &delete_params::name)};

core::result<bdev::geometry> geometry_of(const create_params& p) {
    if (p.block_size < 512 || (p.block_size & (p.block_size - 1)) || p.block_size > 65536)
        return core::fail(EINVAL, "the block size is a power of two from 512 to 65536");
    if (p.physical_block_size % p.block_size)
        return core::fail(EINVAL, "the physical block size is a multiple of the block size");
    if (p.num_blocks == 0 || p.num_blocks > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / p.block_size)
        return core::fail(EINVAL, "a disk has at least one block, and less than 8 EiB");
    bdev::geometry g;
    g.block_size = p.block_size;
    g.blocks = p.num_blocks;
    g.physical_block_size = p.physical_block_size;
    g.optimal_write_blocks = p.optimal_write_size;
    g.write_granularity_blocks = p.preferred_write_granularity;
    g.write_alignment_blocks = p.preferred_write_alignment;
    g.unmap_granularity_blocks = p.preferred_unmap_granularity;
    g.unmap_alignment_blocks = p.preferred_unmap_alignment;
    return g;
}

answer create_null(bdev::registry& devices, const create_params& p) {
    const auto g = geometry_of(p);
    if (!g)
        return refuse(g.error());
    auto d = std::make_shared<bdev::null_device>(devices.group(), p.name, *g, p.uuid.value_or(bdev::random_uuid()));
    if (const auto added = devices.add(std::move(d)); !added)
        return refuse(added.error());
    return answer(json(p.name));
}

/// A disk in memory, and the core that a placement has given it until it goes.
class placed_memory {
  public:
    placed_memory(core::placement& homes) : homes_(homes), home_(homes.pick()) {}
    placed_memory(const placed_memory&) = delete;
    placed_memory& operator=(const placed_memory&) = delete;
    ~placed_memory() {
        disk.reset();
        homes_.release(home_);
    }
    core::reactor& home() const noexcept { return home_; }

    std::shared_ptr<bdev::memory_device> disk;

  private:
    core::placement& homes_;
    core::reactor& home_;
};

answer create_malloc(bdev::registry& devices, core::placement& homes, const create_params& p) {
    const auto g = geometry_of(p);
    if (!g)
        return refuse(g.error());
    const std::string name = p.name.empty() ? devices.free_name("Malloc") : p.name;
    auto placed = std::make_shared<placed_memory>(homes);
    auto made = bdev::memory_device::create(placed->home(), name, *g, p.uuid.value_or(bdev::random_uuid()));
    if (!made)
        return refuse(made.error());
    placed->disk = std::move(*made);
    const std::shared_ptr<bdev::device> d(placed, placed->disk.get());
    if (const auto added = devices.add(d); !added)
        return refuse(added.error());
    return answer(json(name));
}

/// Of kind Device only: nobody removes an image by the method for memory.
template <class Device>
core::task<answer> remove(bdev::registry& devices, delete_params p) {
    const auto d = devices.find(p.name);
    if (!d || !dynamic_cast<const Device*>(d.get()))
        co_return refuse_errno(ENODEV, "there is no such device of this kind", p.name);
    co_return ok_if(co_await devices.remove(d->name()));
}

json common(const bdev::device& d) {
    json params = {{"name", d.name()},
                   {"num_blocks", d.blocks()},
                   {"block_size", d.shape().block_size},
                   {"uuid", bdev::to_string(d.id())}};
    if (d.shape().physical_block_size)
        params["physical_block_size"] = d.shape().physical_block_size;
    return params;
}

template <class Device>
device_kind kind(std::string_view method, json (*params)(const bdev::device&)) {
    return {[method, params](const bdev::device& d) -> std::optional<json> {
                if (!dynamic_cast<const Device*>(&d))
                    return std::nullopt;
                return saved_config::call(method, params(d));
            },
            {}};
}

json null_params(const bdev::device& d) {
    json params = common(d);
    const bdev::geometry& g = d.shape();
    params["preferred_write_granularity"] = g.write_granularity_blocks;
    params["preferred_write_alignment"] = g.write_alignment_blocks;
    params["optimal_write_size"] = g.optimal_write_blocks;
    params["preferred_unmap_granularity"] = g.unmap_granularity_blocks;
    params["preferred_unmap_alignment"] = g.unmap_alignment_blocks;
    return params;
}

}  // namespace

void add_small_device_methods(method_table& methods, device_kinds& kinds, bdev::registry& devices,
                              core::placement& homes) {
    methods.add("bdev_malloc_create", states::runtime, malloc_fields,
                [&](const create_params& p) { return create_malloc(devices, homes, p); });
    methods.add("bdev_malloc_delete", states::runtime, delete_fields,
                [&](delete_params p) { return remove<bdev::memory_device>(devices, std::move(p)); });
    methods.add("bdev_null_create", states::runtime, null_fields,
                [&](const create_params& p) { return create_null(devices, p); });
    methods.add("bdev_null_delete", states::runtime, delete_fields,
                [&](delete_params p) { return remove<bdev::null_device>(devices, std::move(p)); });
    kinds.add(kind<bdev::memory_device>("bdev_malloc_create", common));
    kinds.add(kind<bdev::null_device>("bdev_null_create", null_params));
}

}  // namespace causeway::rpc
