// SPDX-License-Identifier: Apache-2.0
// bdev_nvme_set_options, bdev_nvme_set_hotplug.

#include "rpc/bdev_nvme_service.h"

#include <utility>

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
constexpr std::string_view one_priority = "all queues have one priority";
constexpr std::string_view not_waited_for = "the gateway does not wait for a local controller that is lost";
constexpr std::string_view of_networks = "a local controller is not reached by a network";
constexpr std::string_view hosts_retry = "hosts try again what is worth it";
const declaration<option_params> set_options_method = {
    .name = "bdev_nvme_set_options",
    .when = states::any,
    .summary = "Sets how the driver of local SSDs works; what is left out stays as it is.",
    .parameters =
        {
            optional("action_on_timeout", &option_params::action_on_timeout, actions,
                     "What happens to a command that has timed out. At first `abort`."),
            optional("timeout_us", &option_params::timeout_us,
                     "When an I/O command times out; 0: never. At first 30 s.")
                .within(0, longest_us),
            optional("timeout_admin_us", &option_params::timeout_admin_us,
                     "When an admin command times out; 0: the usual time.")
                .within(0, longest_us),
            optional("nvme_adminq_poll_period_us", &option_params::admin_poll_period_us,
                     "How often admin queues are polled.")
                .within(1, longest_us),
            only<option_params>("nvme_ioq_poll_period_us", 0, "queues are polled in every turn of their core"),
            only<option_params>("delay_cmd_submit", true, "a doorbell rings once for all that a turn has submitted"),
            only<option_params>("arbitration_burst", 0, one_priority),
            only<option_params>("low_priority_weight", 0, one_priority),
            only<option_params>("medium_priority_weight", 0, one_priority),
            only<option_params>("high_priority_weight", 0, one_priority),
            only<option_params>("ctrlr_loss_timeout_sec", 0, not_waited_for),
            only<option_params>("reconnect_delay_sec", 0, not_waited_for),
            only<option_params>("fast_io_fail_timeout_sec", 0, not_waited_for),
            only<option_params>("nvme_error_stat", false, "errors are counted together, in io_error"),
            only<option_params>("io_path_stat", false, "a local controller has one path: bdev_get_iostat counts it"),
            ignored<option_params, std::uint32_t>("transport_retry_count", hosts_retry),
            ignored<option_params, std::int32_t>("bdev_retry_count", hosts_retry),
            ignored<option_params, bool>("generate_uuids", "devices keep their UUIDs"),
            ignored<option_params, bool>("enable_flush", "a device that caches is flushed when hosts say so"),
            ignored<option_params, std::uint32_t>("keep_alive_timeout_ms", of_networks),
            ignored<option_params, std::uint32_t>("io_queue_requests", "it tunes a part of another design"),
            ignored<option_params, std::uint8_t>("transport_ack_timeout", of_networks),
            ignored<option_params, std::uint8_t>("transport_tos", of_networks),
            ignored<option_params, bool>("disable_auto_failback", "a local controller has one path"),
            ignored<option_params, std::uint32_t>("rdma_srq_size", of_networks),
            ignored<option_params, std::uint32_t>("rdma_max_cq_size", of_networks),
            ignored<option_params, std::uint16_t>("rdma_cm_event_timeout_ms", of_networks),
            ignored<option_params, bool>("rdma_umr_per_io", of_networks),
            ignored<option_params, std::uint32_t>("tcp_connect_timeout_ms", of_networks),
            ignored<option_params, bool>("allow_accel_sequence", "there is no accelerator"),
            ignored<option_params, std::vector<std::string>>("dhchap_digests", of_networks),
            ignored<option_params, std::vector<std::string>>("dhchap_dhgroups", of_networks),
            ignored<option_params, json>("multipath_opts", "a local controller has one path"),
        },
};

/// What is not said stays as it is.
answer set_options(bdev_nvme_service& service, const option_params& p) {
    auto o = service.controllers.options();
    const bdev_nvme::controller_options usual;
    for (const auto& [value, to] : {std::pair(p.timeout_us, &o.io_timeout),
                                    {p.timeout_admin_us, &o.admin_timeout},
                                    {p.admin_poll_period_us, &o.admin_poll_period}})
        if (value)
            *to = microseconds(*value);
    // A controller that does not answer admin commands is always found out; 0 is the usual time for that.
    if (o.admin_timeout.count() == 0)
        o.admin_timeout = usual.admin_timeout;
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
const declaration<hotplug_params> set_hotplug_method = {
    .name = "bdev_nvme_set_hotplug",
    .summary = "Sets whether local SSDs that come are attached by themselves.",
    .parameters =
        {
            required("enable", &hotplug_params::enable, "Whether they are."),
            optional("period_us", &hotplug_params::period_us, "How often to look for them; 0: the usual period.")
                .within(0, duration_cast<microseconds>(controllers::longest_hotplug_period).count()),
        },
};

answer set_hotplug(bdev_nvme_service& service, const hotplug_params& p) {
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
    methods.add(set_options_method, [&service](const option_params& p) { return set_options(service, p); });
    methods.add(set_hotplug_method, [&service](const hotplug_params& p) { return set_hotplug(service, p); });
    config.add_writer("bdev", config_phase::settings,
                      [&service](json& calls) { write_options(calls, service.controllers); });
    config.add_writer("bdev", config_phase::policies,
                      [&service](json& calls) { write_hotplug(calls, service.controllers); });
}

}  // namespace causeway::rpc
