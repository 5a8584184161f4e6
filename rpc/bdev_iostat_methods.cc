// SPDX-License-Identifier: Apache-2.0
// What devices have done: bdev_get_iostat, bdev_reset_iostat.

#include "bdev/device_counters.h"
#include "rpc/bdev_service.h"
#include "rpc/reactor_methods.h"
#include "rpc/slices.h"

namespace causeway::rpc {

namespace {

using devices = std::vector<std::shared_ptr<bdev::device>>;

enum class reset_mode : std::uint8_t { none, all, maxmin, error };
const std::initializer_list<std::pair<std::string_view, reset_mode>> reset_modes = {
    {"all", reset_mode::all},
    {"maxmin", reset_mode::maxmin},
    {"error", reset_mode::error},
    {"none", reset_mode::none},
};

/// Of `count` cores from `first` on. Rows of one JSON name are one number: a compare-and-write is a write.
void write_members(json& to, const bdev::device& d, std::size_t first, std::size_t count) {
    const core::counter_group counters = bdev::counters_of(d);
    for (const core::metric& m : counters.rows()) {
        if (m.json_name.empty())
            continue;
        std::uint64_t value = counters.value(m, first, count);
        if (m.unit == core::metric_unit::blocks)
            value *= d.geometry().block_size;
        json& member = to[std::string(m.json_name)];
        member = member.is_null() ? value : core::combined(m.kind, member.get<std::uint64_t>(), value);
    }
    const std::uint64_t failed = counters.value(bdev::failed_operations(), first, count);
    const std::uint64_t miscompared = counters.value(bdev::miscompared_operations(), first, count);
    json errors = json::object();  // clients expect the object also where there is no error
    if (failed > miscompared)
        errors["nvme_error"] = failed - miscompared;
    if (miscompared)
        errors["miscompare"] = miscompared;
    to["io_error"] = std::move(errors);
}

void reset(bdev::core_statistics& core, reset_mode mode) {
    if (mode == reset_mode::all || mode == reset_mode::error) {
        core.failed.set(0);
        core.miscompared.set(0);
    }
    for (auto& o : core.ops) {
        if (mode == reset_mode::all) {
            o.count.set(0);
            o.blocks.set(0);
            o.ticks.set(0);
        }
        if (mode == reset_mode::all || mode == reset_mode::maxmin) {
            o.slowest.set(0);
            o.fastest.set(0);
        }
    }
}

/// Each core has counters that only it may write.
core::task<> reset_all(bdev_service& service, devices of, reset_mode mode) {
    if (mode == reset_mode::none)
        co_return;
    co_await core::for_each_reactor(service.devices.group(), [&](core::reactor& r) {
        for (const auto& d : of)
            reset(d->stats().on(r.index()), mode);
    });
}

struct get_params {
    std::optional<std::string> name;  ///< the older spelling
    std::optional<std::vector<std::string>> names;
    bool per_channel = false;
    reset_mode reset = reset_mode::none;
};
const declaration<get_params> get_method = {
    .name = "bdev_get_iostat",
    .summary = "Answers what devices have done: operations, bytes, and latencies.",
    .parameters =
        {
            optional("name", &get_params::name, "The older spelling of `names`, of one device."),
            optional("names", &get_params::names, "Only these devices; without it, all."),
            optional("per_channel", &get_params::per_channel, "By core. It needs the name of one device."),
            optional("reset_mode", &get_params::reset, reset_modes, "What to reset afterwards."),
        },
    .result = "`tick_rate` (per second), `ticks` (now), and `bdevs`, or `name` and `channels`: counters, latencies in "
              "ticks, and `io_error`, an object of the errors that there were",
    .errors = {no_such_device},
};

json header(const bdev_service& service) {
    const auto& clock = service.devices.group().time();
    return {{"tick_rate", clock.per_second()}, {"ticks", clock.now()}};
}

constexpr unsigned us_of_a_device = 30;  ///< to add its counters up and to write them

core::task<json> by_device(const bdev_service& service, devices of) {
    json all = header(service);
    json list = co_await array_in_slices(std::move(of), us_of_a_device, [](const auto& d) {
        json one = {{"name", d->name()}};
        write_members(one, *d, 0, d->stats().size());
        return one;
    });
    all["bdevs"] = std::move(list);
    co_return all;
}

json by_core(const bdev_service& service, const bdev::device& d) {
    json all = header(service);
    all["name"] = d.name();
    json list = json::array();
    for (const auto& r : service.devices.group()) {
        json one = {{"thread_id", thread_number(*r)}};
        write_members(one, d, r->index(), 1);
        list.push_back(std::move(one));
    }
    all["channels"] = std::move(list);
    return all;
}

tl::expected<devices, rpc_error> named(bdev_service& service, const get_params& p) {
    if (!p.name && !p.names)
        return service.devices.all();
    devices found;
    for (const auto& name : p.names ? *p.names : std::vector{*p.name}) {
        auto d = find_device<bdev::device>(service, name);
        if (!d)
            return tl::make_unexpected(d.error());
        found.push_back(std::move(*d));
    }
    return found;
}

core::task<answer> get_iostat(bdev_service& service, get_params p) {
    if (p.name && p.names)
        co_return refuse_parameters("parameter 'name' is the older spelling of 'names': one of them");
    const auto of = named(service, p);
    if (!of)
        co_return tl::make_unexpected(of.error());
    if (p.per_channel && (of->size() != 1 || (!p.name && !p.names)))
        co_return refuse_parameters("parameter 'per_channel' needs the name of one device");
    json all;
    if (p.per_channel)
        all = by_core(service, *of->front());
    else
        all = co_await by_device(service, *of);
    co_await reset_all(service, *of, p.reset);
    co_return all;
}

struct reset_params {
    std::optional<std::string> name;
    reset_mode mode = reset_mode::all;
};
const declaration<reset_params> reset_method = {
    .name = "bdev_reset_iostat",
    .summary = "Resets what bdev_get_iostat answers.",
    .parameters =
        {
            optional("name", &reset_params::name, "Only of this device."),
            optional("mode", &reset_params::mode, reset_modes, "What to reset."),
        },
    .errors = {no_such_device},
};

core::task<answer> reset_iostat(bdev_service& service, reset_params p) {
    get_params which;
    which.name = p.name;
    const auto of = named(service, which);
    if (!of)
        co_return tl::make_unexpected(of.error());
    co_await reset_all(service, *of, p.mode);
    co_return ok();
}

}  // namespace

void add_bdev_iostat_methods(method_table& methods, bdev_service& service) {
    methods.add(get_method, [&service](get_params p) { return get_iostat(service, std::move(p)); });
    methods.add(reset_method, [&service](reset_params p) { return reset_iostat(service, std::move(p)); });
}

}  // namespace causeway::rpc
