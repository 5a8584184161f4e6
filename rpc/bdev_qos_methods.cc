// SPDX-License-Identifier: Apache-2.0
// bdev_set_qos_limit: what a device may start per second.

#include "rpc/bdev_service.h"

namespace causeway::rpc {

namespace {

using bdev::rate_limits;

struct limit_params {
    std::string name;
    std::optional<std::uint64_t> rw_ios_per_sec, rw_mbytes_per_sec, r_mbytes_per_sec, w_mbytes_per_sec;
};
const declaration<limit_params> set_limit_method = {
    .name = "bdev_set_qos_limit",
    .summary = "Limits what all hosts together may do on a device per second.",
    .parameters =
        {
            required("name", &limit_params::name, "The device."),
            optional("rw_ios_per_sec", &limit_params::rw_ios_per_sec,
                     "Commands per second; 0: no limit. Left out: as it is."),
            optional("rw_mbytes_per_sec", &limit_params::rw_mbytes_per_sec, "MiB per second; 0: no limit."),
            optional("r_mbytes_per_sec", &limit_params::r_mbytes_per_sec, "MiB read per second; 0: no limit."),
            optional("w_mbytes_per_sec", &limit_params::w_mbytes_per_sec, "MiB written per second; 0: no limit."),
        },
    .errors = {no_such_device, {error_code::parameters, "no limit is given"}},
};

/// What is not said stays as it is.
core::task<answer> set_limit(bdev_service& service, limit_params p) {
    if (!p.rw_ios_per_sec && !p.rw_mbytes_per_sec && !p.r_mbytes_per_sec && !p.w_mbytes_per_sec)
        co_return refuse_parameters("no limit is given: give 'rw_ios_per_sec', 'rw_mbytes_per_sec', "
                                    "'r_mbytes_per_sec' or 'w_mbytes_per_sec'; 0 removes one");
    const auto d = find_device<bdev::device>(service, p.name);
    if (!d)
        co_return tl::make_unexpected(d.error());
    rate_limits l = (*d)->limits();
    l.rw_ios_per_sec = p.rw_ios_per_sec.value_or(l.rw_ios_per_sec);
    l.rw_mbytes_per_sec = p.rw_mbytes_per_sec.value_or(l.rw_mbytes_per_sec);
    l.r_mbytes_per_sec = p.r_mbytes_per_sec.value_or(l.r_mbytes_per_sec);
    l.w_mbytes_per_sec = p.w_mbytes_per_sec.value_or(l.w_mbytes_per_sec);
    co_await (*d)->set_limits(l);
    co_return json(true);
}

}  // namespace

json to_json(const rate_limits& l) {
    return {{"rw_ios_per_sec", l.rw_ios_per_sec},
            {"rw_mbytes_per_sec", l.rw_mbytes_per_sec},
            {"r_mbytes_per_sec", l.r_mbytes_per_sec},
            {"w_mbytes_per_sec", l.w_mbytes_per_sec}};
}

void add_bdev_qos_methods(method_table& methods, saved_config& config, bdev_service& service) {
    methods.add(set_limit_method, [&service](limit_params p) { return set_limit(service, std::move(p)); });
    config.add_writer("bdev", config_phase::policies, [&service](json& calls) {
        for (const auto& d : service.devices.all()) {
            if (!d->limits().any())
                continue;
            json params = to_json(d->limits());
            params["name"] = d->name();
            calls.push_back(saved_config::call("bdev_set_qos_limit", std::move(params)));
        }
    });
}

}  // namespace causeway::rpc
