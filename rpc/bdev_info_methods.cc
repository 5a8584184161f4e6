// SPDX-License-Identifier: Apache-2.0
// What devices there are: bdev_get_bdevs.

#include "rpc/bdev_service.h"
#include "rpc/slices.h"

#include <algorithm>

namespace causeway::rpc {

namespace {

using bdev::op;

constexpr std::uint64_t longest_timeout_ms = 24 * 60 * 60 * 1000;  // of one call

constexpr unsigned us_of_a_device = 50;  ///< to describe it

json io_types(const bdev::device_capabilities& c) {
    return {{"read", c.supports(op::read)},
            {"write", c.supports(op::write)},
            {"unmap", c.supports(op::unmap)},
            {"flush", c.supports(op::flush)},
            {"reset", false},
            {"nvme_admin", false},
            {"nvme_io", false},
            {"nvme_io_md", false},
            {"write_zeroes", c.supports(op::write_zeroes)},
            {"zcopy", false},
            {"get_zone_info", false},
            {"zone_management", false},
            {"zone_append", false},
            {"compare", c.supports(op::compare)},
            {"compare_and_write", c.supports(op::compare_and_write)},
            {"abort", false},
            {"seek_hole", false},
            {"seek_data", false},
            {"copy", c.supports(op::copy)},
            {"nvme_iov_md", false},
            {"nvme_nssr", false}};
}

json device_to_json(const bdev::device& d, const device_kinds& kinds) {
    const auto& g = d.geometry();
    json all = {{"name", d.name()},
                {"aliases", d.aliases()},
                {"product_name", d.product_name()},
                {"block_size", g.block_size},
                {"num_blocks", d.blocks()},
                {"preferred_write_alignment", g.write_alignment_blocks},
                {"preferred_write_granularity", g.write_granularity_blocks},
                {"optimal_write_size", g.optimal_write_blocks},
                {"preferred_unmap_alignment", g.unmap_alignment_blocks},
                {"preferred_unmap_granularity", g.unmap_granularity_blocks},
                {"uuid", bdev::to_string(d.id())},
                {"assigned_rate_limits", to_json(d.limits())},
                {"claimed", d.claimed_by() != nullptr}};
    if (d.claimed_by())
        all["claim_type"] = "exclusive_write";
    all["zoned"] = false;
    all["supported_io_types"] = io_types(d.capabilities());
    all["driver_specific"] = kinds.driver_specific(d);
    return all;
}

struct get_params {
    std::optional<std::string> name;
    std::uint64_t timeout = 0;  ///< milliseconds
};
const declaration<get_params> get_method = {
    .name = "bdev_get_bdevs",
    .summary = "Describes the devices.",
    .parameters =
        {
            optional("name", &get_params::name, "Only this device: its name, an alias or its UUID."),
            optional("timeout", &get_params::timeout, "How long to wait for it to come, in ms."),
        },
    .result = "an array of objects: `name`, `aliases`, `product_name`, `block_size`, `num_blocks`, preferred sizes in "
              "blocks, "
              "`uuid`, `assigned_rate_limits`, `claimed`, `supported_io_types` and `driver_specific`",
    .errors = {no_such_device},
};

/// With a timeout it waits for a device that is still to come.
core::task<answer> get_bdevs(bdev_service& service, get_params p) {
    if (!p.name)
        co_return co_await array_in_slices(
            service.devices.all(), us_of_a_device,
            [&kinds = service.kinds](const auto& d) { return device_to_json(*d, kinds); });
    const auto limit = std::chrono::milliseconds(std::min<std::uint64_t>(p.timeout, longest_timeout_ms));
    const auto d = co_await service.devices.find_within(limit, *p.name);
    if (!d)
        co_return refuse_errno(ENODEV, "there is no such device", *p.name);
    json list = json::array();
    list.push_back(device_to_json(*d, service.kinds));
    co_return list;
}

}  // namespace

void add_bdev_info_methods(method_table& methods, bdev_service& service) {
    methods.add(get_method, [&service](get_params p) { return get_bdevs(service, std::move(p)); });
}

}  // namespace causeway::rpc
