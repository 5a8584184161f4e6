#include "rpc/bdev_methods.h"

#include "bdev/statistics.h"
#include "rpc/params.h"
#include "rpc/reactor_methods.h"

#include <algorithm>

namespace causeway::rpc {

namespace {

using bdev::op;
using namespace std::chrono_literals;

constexpr auto appearance_check = 10ms;

// ---- bdev_get_bdevs

json io_types(const bdev::capabilities& can) {
    // The established interface names more than there are operations here: what we do not know, no device can do.
    return {{"read", can.supports(op::read)},
            {"write", can.supports(op::write)},
            {"unmap", can.supports(op::unmap)},
            {"flush", can.supports(op::flush)},
            {"reset", false},
            {"nvme_admin", false},
            {"nvme_io", false},
            {"nvme_io_md", false},
            {"write_zeroes", can.supports(op::write_zeroes)},
            {"zcopy", false},
            {"get_zone_info", false},
            {"zone_management", false},
            {"zone_append", false},
            {"compare", can.supports(op::compare)},
            {"compare_and_write", can.supports(op::compare_and_write)},
            {"abort", false},
            {"seek_hole", false},
            {"seek_data", false},
            {"copy", false},
            {"nvme_iov_md", false},
            {"nvme_nssr", false}};
}

json describe(const bdev::device& d, const device_kinds& kinds) {
    const bdev::geometry& g = d.shape();
    return {{"name", d.name()},
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
            {"assigned_rate_limits",
             {{"rw_ios_per_sec", 0}, {"rw_mbytes_per_sec", 0}, {"r_mbytes_per_sec", 0}, {"w_mbytes_per_sec", 0}}},
            {"claimed", d.claimed_by() != nullptr},
            {"zoned", false},
            {"supported_io_types", io_types(d.can())},
            {"driver_specific", kinds.driver_specific(d)}};
}

struct get_params {
    std::optional<std::string> name;
    std::uint64_t timeout_ms = 0;
};
const fields<get_params> get_fields = {
    optional("name", &get_params::name),
    optional("timeout", &get_params::timeout_ms),
};

core::task<answer> get(bdev::registry& devices, const device_kinds& kinds, get_params p) {
    if (!p.name) {
        json all = json::array();
        for (const auto& d : devices.all())
            all.push_back(describe(*d, kinds));
        co_return all;
    }
    const core::clock& time = devices.group().time();
    constexpr std::uint64_t longest_ms = 24 * 3600 * 1000;
    const core::ticks end =
        time.now() + time.to_ticks(std::chrono::milliseconds(std::min(p.timeout_ms, longest_ms)));
    auto d = devices.find(*p.name);
    while (!d && time.now() < end) {
        co_await core::sleep_for(appearance_check);
        d = devices.find(*p.name);
    }
    if (!d)
        co_return refuse_errno(ENODEV, "there is no such device", *p.name);
    co_return json::array({describe(*d, kinds)});
}

// ---- bdev_get_iostat

/// What an operation has done on some cores together.
struct sum {
    std::uint64_t count = 0, blocks = 0, ticks = 0, slowest = 0, fastest = 0;

    void add(const bdev::core_statistics::per_op& o) noexcept {
        count += o.count.get();
        blocks += o.blocks.get();
        ticks += o.ticks.get();
        slowest = std::max(slowest, o.slowest.get());
        if (const auto f = o.fastest.get(); f && (!fastest || f < fastest))
            fastest = f;
    }
};

/// Adds the members of an iostat answer: of core `first` up to, not including, `last`.
void add_statistics(json& to, const bdev::device& d, std::size_t first, std::size_t last) {
    std::array<sum, bdev::op_count> sums;
    std::uint64_t failed = 0;
    for (std::size_t core = first; core < last; ++core) {
        const bdev::core_statistics& s = d.stats().on(core);
        for (unsigned o = 0; o < bdev::op_count; ++o)
            sums[o].add(s.ops[o]);
        failed += s.failed.get() - s.miscompared.get();
    }
    const struct {
        const char* bytes;
        const char* count;
        const char* latency;
        sum of;
    } rows[] = {
        {"bytes_read", "num_read_ops", "read_latency_ticks", sums[static_cast<unsigned>(op::read)]},
        {"bytes_written", "num_write_ops", "write_latency_ticks", sums[static_cast<unsigned>(op::write)]},
        {"bytes_unmapped", "num_unmap_ops", "unmap_latency_ticks", sums[static_cast<unsigned>(op::unmap)]},
        {"bytes_copied", "num_copy_ops", "copy_latency_ticks", {}},  // no device here copies
    };
    for (const auto& row : rows) {
        to[row.bytes] = row.of.blocks * d.shape().block_size;
        to[row.count] = row.of.count;
    }
    for (const auto& row : rows) {
        to[row.latency] = row.of.ticks;
        to[std::string("max_") + row.latency] = row.of.slowest;
        to[std::string("min_") + row.latency] = row.of.fastest;
    }
    if (failed)
        to["io_error"] = {{"failed", failed}};
}

struct iostat_params {
    std::optional<std::string> name;
    std::optional<std::vector<std::string>> names;
    bool per_channel = false;
};
const fields<iostat_params> iostat_fields = {
    optional("name", &iostat_params::name),
    optional("names", &iostat_params::names),
    optional("per_channel", &iostat_params::per_channel),
    only<iostat_params>("reset_mode", "none", "statistics are never reset: take the difference of two answers"),
};

answer iostat(bdev::registry& devices, const iostat_params& p) {
    if (p.name && p.names)
        return refuse_parameters("parameters 'name' and 'names' exclude each other");
    std::vector<std::string> names = p.names.value_or(std::vector<std::string>{});
    if (p.name)
        names = {*p.name};
    std::vector<std::shared_ptr<bdev::device>> chosen;
    for (const auto& name : names) {
        chosen.push_back(devices.find(name));
        if (!chosen.back())
            return refuse_errno(ENODEV, "there is no such device", name);
    }
    if (names.empty())
        chosen = devices.all();
    if (p.per_channel && chosen.size() != 1)
        return refuse_parameters("parameter 'per_channel' wants one device");

    const core::clock& time = devices.group().time();
    json reply = {{"tick_rate", time.per_second()}, {"ticks", time.now()}};
    if (p.per_channel) {
        reply["name"] = chosen.front()->name();
        json& channels = reply["channels"] = json::array();
        for (const auto& r : devices.group()) {
            json channel = {{"thread_id", thread_number(*r)}};
            add_statistics(channel, *chosen.front(), r->index(), r->index() + 1);
            channels.push_back(std::move(channel));
        }
        return reply;
    }
    json& all = reply["bdevs"] = json::array();
    for (const auto& d : chosen) {
        json one = {{"name", d->name()}};
        add_statistics(one, *d, 0, devices.group().size());
        all.push_back(std::move(one));
    }
    return reply;
}

}  // namespace

void add_bdev_methods(method_table& methods, saved_config& config, bdev::registry& devices, const device_kinds& kinds) {
    methods.add("bdev_get_bdevs", states::runtime, get_fields,
                [&](get_params p) { return get(devices, kinds, std::move(p)); });
    methods.add("bdev_get_iostat", states::runtime, iostat_fields,
                [&](const iostat_params& p) { return iostat(devices, p); });
    config.add_writer("bdev", config_phase::objects, [&](json& calls) {
        for (const auto& d : devices.all())
            if (auto call = kinds.config(*d))
                calls.push_back(std::move(*call));
    });
}

}  // namespace causeway::rpc
