// SPDX-License-Identifier: Apache-2.0
// bdev_nvme_set_options, bdev_nvme_set_hotplug.

#include "rpc/bdev_nvme_service.h"

#include <fmt/format.h>
#include <tuple>

namespace causeway::rpc {

namespace {

using bdev_nvme::controllers;
using bdev_nvme::timeout_action;
using std::chrono::duration_cast;
using std::chrono::microseconds;

/// Longer than any reasonable timeout; and no sum of times overflows.
constexpr std::uint64_t longest_us = duration_cast<microseconds>(std::chrono::hours(24)).count();

std::uint64_t us(core::nanoseconds d) {
    return static_cast<std::uint64_t>(duration_cast<microseconds>(d).count());
}

const std::initializer_list<std::pair<std::string_view, timeout_action>> actions = {
    {"none", timeout_action::none},
    {"reset", timeout_action::reset},
    {"abort", timeout_action::abort},
};

struct option_params {
    std::optional<timeout_action> action_on_timeout;
    std::optional<std::uint64_t> timeout_us, timeout_admin_us, admin_poll_period_us;
};
const fields<option_params> option_fields = {
    optional("action_on_timeout", &option_params::action_on_timeout, actions),
    optional("timeout_us", &option_params::timeout_us),
    optional("timeout_admin_us", &option_params::timeout_admin_us),
    optional("nvme_adminq_poll_period_us", &option_params::admin_poll_period_us),
    only<option_params>("nvme_ioq_poll_period_us", 0, "queues are polled in every turn of their core"),
    only<option_params>("delay_cmd_submit", true, "a doorbell rings once for all that a turn has submitted"),
    only<option_params>("arbitration_burst", 0, "all queues have one priority"),
    only<option_params>("low_priority_weight", 0, "all queues have one priority"),
    only<option_params>("medium_priority_weight", 0, "all queues have one priority"),
    only<option_params>("high_priority_weight", 0, "all queues have one priority"),
    only<option_params>("ctrlr_loss_timeout_sec", 0, "the gateway does not wait for a local controller that is lost"),
    only<option_params>("reconnect_delay_sec", 0, "the gateway does not wait for a local controller that is lost"),
    only<option_params>("fast_io_fail_timeout_sec", 0, "the gateway does not wait for a local controller that is lost"),
    only<option_params>("nvme_error_stat", false, "errors are counted together, in io_error"),
    only<option_params>("io_path_stat", false, "a local controller has one path: bdev_get_iostat counts it"),
    // Hosts try again what is worth it; devices keep their UUIDs; a device that caches is flushed when hosts say so.
    ignored<option_params, std::uint32_t>("transport_retry_count"),
    ignored<option_params, std::int32_t>("bdev_retry_count"),
    ignored<option_params, bool>("generate_uuids"),
    ignored<option_params, bool>("enable_flush"),
    // Of other transports, or of another design.
    ignored<option_params, std::uint32_t>("keep_alive_timeout_ms"),
    ignored<option_params, std::uint32_t>("io_queue_requests"),
    ignored<option_params, std::uint8_t>("transport_ack_timeout"),
    ignored<option_params, std::uint8_t>("transport_tos"),
    ignored<option_params, bool>("disable_auto_failback"),
    ignored<option_params, std::uint32_t>("rdma_srq_size"),
    ignored<option_params, std::uint32_t>("rdma_max_cq_size"),
    ignored<option_params, std::uint16_t>("rdma_cm_event_timeout_ms"),
    ignored<option_params, bool>("rdma_umr_per_io"),
    ignored<option_params, std::uint32_t>("tcp_connect_timeout_ms"),
    ignored<option_params, bool>("allow_accel_sequence"),
    ignored<option_params, std::vector<std::string>>("dhchap_digests"),
    ignored<option_params, std::vector<std::string>>("dhchap_dhgroups"),
    ignored<option_params, json>("multipath_opts"),
};

/// What is not said stays as it is.
answer set_options(bdev_nvme_service& service, const option_params& p) {
    auto o = service.controllers.options();
    const bdev_nvme::controller_options usual;
    for (const auto& [name, value, to] :
         {std::tuple("timeout_us", p.timeout_us, &o.io_timeout),
          std::tuple("timeout_admin_us", p.timeout_admin_us, &o.admin_timeout),
          std::tuple("nvme_adminq_poll_period_us", p.admin_poll_period_us, &o.admin_poll_period)}) {
        if (value && *value > longest_us)
            return refuse_parameters(fmt::format("parameter '{}' must be at most {}: a day", name, longest_us));
        if (value)
            *to = microseconds(*value);
    }
    // A controller that does not answer admin commands is always found out; 0 is the usual time for that.
    if (o.admin_timeout.count() == 0)
        o.admin_timeout = usual.admin_timeout;
    if (o.admin_poll_period.count() == 0)
        return refuse_parameters("parameter 'nvme_adminq_poll_period_us' must be at least 1");
    o.on_timeout = p.action_on_timeout.value_or(o.on_timeout);
    service.controllers.set_options(o);
    return ok();
}

void write_options(json& calls, const controllers& of) {
    if (!of.options_set())
        return;
    const auto& o = of.options();
    std::string_view action;
    for (const auto& [text, value] : actions)
        if (value == o.on_timeout)
            action = text;
    calls.push_back(
        saved_config::call("bdev_nvme_set_options", {{"action_on_timeout", action},
                                                     {"timeout_us", us(o.io_timeout)},
                                                     {"timeout_admin_us", us(o.admin_timeout)},
                                                     {"nvme_adminq_poll_period_us", us(o.admin_poll_period)}}));
}

struct hotplug_params {
    bool enable = false;
    std::uint64_t period_us = 0;  ///< 0: the usual one
};
const fields<hotplug_params> hotplug_fields = {
    required("enable", &hotplug_params::enable),
    optional("period_us", &hotplug_params::period_us),
};

answer set_hotplug(bdev_nvme_service& service, const hotplug_params& p) {
    const std::uint64_t most = us(controllers::longest_hotplug_period);
    if (p.period_us > most)
        return refuse_parameters(fmt::format("parameter 'period_us' must be at most {}", most));
    return ok_if(service.controllers.set_hotplug(p.enable, microseconds(p.period_us)));
}

void write_hotplug(json& calls, const controllers& of) {
    if (!of.hotplug() && of.hotplug_period() == controllers::default_hotplug_period)
        return;
    calls.push_back(saved_config::call("bdev_nvme_set_hotplug",
                                       {{"period_us", us(of.hotplug_period())}, {"enable", of.hotplug()}}));
}

}  // namespace

void add_bdev_nvme_option_methods(method_table& methods, saved_config& config, bdev_nvme_service& service) {
    methods.add("bdev_nvme_set_options", states::any, option_fields,
                [&service](const option_params& p) { return set_options(service, p); });
    methods.add("bdev_nvme_set_hotplug", states::runtime, hotplug_fields,
                [&service](const hotplug_params& p) { return set_hotplug(service, p); });
    config.add_writer("bdev", config_phase::settings,
                      [&service](json& calls) { write_options(calls, service.controllers); });
    config.add_writer("bdev", config_phase::policies,
                      [&service](json& calls) { write_hotplug(calls, service.controllers); });
}

}  // namespace causeway::rpc
