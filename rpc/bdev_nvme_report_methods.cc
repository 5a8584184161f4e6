// SPDX-License-Identifier: Apache-2.0
// bdev_nvme_get_controllers, bdev_nvme_get_controller_health_info, bdev_nvme_get_transport_statistics.

#include "rpc/bdev_nvme_service.h"
#include "rpc/reactor_methods.h"

#include <limits>

namespace causeway::rpc {

namespace {

using bdev_nvme::controller;
using bdev_nvme::controllers;

/// In the words that clients know.
std::string_view state_of(const controller& c) {
    switch (c.now()) {
    case controller::state::removed:
    case controller::state::closed: return "deleting";
    default: return to_string(c.now());
    }
}

json to_json(const controllers::view& v) {
    const controller& c = *v.controller;
    const auto& stats = c.stats();
    json one = {{"state", state_of(c)},
                {"trid", transport_id(v)},
                {"cntlid", c.info().cntlid},
                {"host", {{"nqn", ""}, {"addr", ""}, {"svcid", ""}, {"no_shn_notification", false}}}};
    if (c.numa_node() >= 0)
        one["numa_id"] = c.numa_node();
    one["bdevs"] = v.devices;
    one["io_queues"] = c.queue_count();
    one["resets"] = stats.resets;
    one["failed_resets"] = stats.failed_resets;
    one["aborts"] = stats.aborts;
    return {{"name", v.name}, {"ctrlrs", json::array({std::move(one)})}};
}

struct get_params {
    std::optional<std::string> name;
};
const declaration<get_params> get_controllers_method = {
    .name = "bdev_nvme_get_controllers",
    .summary = "Describes the local SSDs that are attached.",
    .parameters = {optional("name", &get_params::name, "Only this controller.")},
    .result = "an array of objects: `name` and `ctrlrs`, with `state`, `trid`, `cntlid`, `host`, `numa_id`, `bdevs`, "
              "`io_queues`, `resets`, `failed_resets`, `aborts`",
    .errors = {no_such_controller},
};
const declaration<name_params> get_health_method = {
    .name = "bdev_nvme_get_controller_health_info",
    .summary = "Reads the SMART log of a local SSD.",
    .parameters = name_field("The controller."),
    .result = "an object of the log's fields",
    .errors = {no_such_controller},
};
const declaration<> get_statistics_method = {
    .name = "bdev_nvme_get_transport_statistics",
    .summary = "Answers the counters of the queues of local SSDs, by core.",
    .result = "`poll_groups`, each with `thread` and `transports`",
};

answer get_controllers(const bdev_nvme_service& service, const get_params& p) {
    json list = json::array();
    if (p.name) {
        const auto v = find_controller(service, *p.name);
        if (!v)
            return tl::make_unexpected(v.error());
        list.push_back(to_json(*v));
    } else {
        for (const auto& v : service.controllers.all())
            list.push_back(to_json(v));
    }
    return list;
}

/// What is more than a number can be is the largest one.
std::uint64_t number(const nvme::le128& n) {
    return n.high ? std::numeric_limits<std::uint64_t>::max() : n.low.value();
}
int celsius(std::uint16_t kelvin) {
    return kelvin - 273;
}

json to_json(const nvme::smart_log& h, const controllers::view& v) {
    const auto& info = v.controller->info();
    json all = {{"model_number", info.model_number},
                {"serial_number", info.serial_number},
                {"firmware_revision", info.firmware_revision},
                {"traddr", v.params.address},
                {"critical_warning", h.critical_warning},
                {"temperature_celsius", celsius(h.composite_temperature)},
                {"available_spare_percentage", h.available_spare},
                {"available_spare_threshold_percentage", h.available_spare_threshold},
                {"percentage_used", h.percentage_used},
                {"data_units_read", number(h.data_units_read)},
                {"data_units_written", number(h.data_units_written)},
                {"host_read_commands", number(h.host_read_commands)},
                {"host_write_commands", number(h.host_write_commands)},
                {"controller_busy_time", number(h.controller_busy_time)},
                {"power_cycles", number(h.power_cycles)},
                {"power_on_hours", number(h.power_on_hours)},
                {"unsafe_shutdowns", number(h.unsafe_shutdowns)},
                {"media_errors", number(h.media_errors)},
                {"num_err_log_entries", number(h.error_log_entries)},
                {"warning_temperature_time_minutes", h.warning_temperature_time.value()},
                {"critical_composite_temperature_time_minutes", h.critical_temperature_time.value()}};
    json sensors = json::array();
    for (const auto& kelvin : h.temperature_sensor)
        if (kelvin != 0)
            sensors.push_back(celsius(kelvin));
    if (!sensors.empty())
        all["temperature_sensor_celsius"] = std::move(sensors);
    return all;
}

/// As it is now, not as it was read last.
core::task<answer> get_health(bdev_nvme_service& service, name_params p) {
    const auto read = co_await service.controllers.read_health(p.name);
    if (!read)
        co_return refuse(read.error());
    const auto v = find_controller(service, p.name);  // it may have gone meanwhile
    if (!v)
        co_return tl::make_unexpected(v.error());
    co_return to_json(*v->controller->health(), *v);
}

/// Of one core, over all controllers.
json sum_on(const bdev_nvme_service& service, const core::reactor& r) {
    std::uint64_t polls = 0, idle = 0, completions = 0, waited = 0, submitted = 0, sq = 0, sq_shadow = 0, cq = 0,
                  cq_shadow = 0;
    for (const auto& v : service.controllers.all()) {
        for (std::size_t i = 0; i < v.controller->queue_count(); ++i) {
            const auto& q = v.controller->queue(i);
            if (&q.home() != &r)
                continue;
            const auto& s = q.stats();
            polls += s.busy_polls.get() + s.idle_polls.get();
            idle += s.idle_polls.get();
            completions += s.completions.get();
            waited += s.waited.get();
            submitted += s.submitted.get();
            sq += s.sq_doorbells.get();
            sq_shadow += s.sq_shadow_doorbells.get();
            cq += s.cq_doorbells.get();
            cq_shadow += s.cq_shadow_doorbells.get();
        }
    }
    return {{"trname", "PCIE"},
            {"polls", polls},
            {"idle_polls", idle},
            {"completions", completions},
            {"cq_mmio_doorbell_updates", cq},
            {"cq_shadow_doorbell_updates", cq_shadow},
            {"queued_requests", waited},
            {"submitted_requests", submitted},
            {"sq_mmio_doorbell_updates", sq},
            {"sq_shadow_doorbell_updates", sq_shadow}};
}

answer get_statistics(const bdev_nvme_service& service) {
    json groups = json::array();
    for (const auto& r : service.group)
        groups.push_back({{"thread", thread_name(*r)}, {"transports", json::array({sum_on(service, *r)})}});
    return json{{"poll_groups", std::move(groups)}};
}

}  // namespace

void add_bdev_nvme_report_methods(method_table& methods, bdev_nvme_service& service) {
    methods.add(get_controllers_method, [&service](const get_params& p) { return get_controllers(service, p); });
    methods.add(get_health_method, [&service](name_params p) { return get_health(service, std::move(p)); });
    methods.add(get_statistics_method, [&service] { return get_statistics(service); });
}

}  // namespace causeway::rpc
