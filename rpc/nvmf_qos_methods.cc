// SPDX-License-Identifier: Apache-2.0
// nvmf_ns_set_qos_limit: what one host may start on a namespace per second, and its part of what all may.

#include "rpc/bdev_service.h"
#include "rpc/nvmf_service.h"

namespace causeway::rpc {

namespace {

struct share_params {
    std::string tgt_name = target_name;
    std::string nqn;
    std::uint32_t nsid = 0;
    std::string host;
    std::optional<std::uint64_t> rw_ios_per_sec, rw_mbytes_per_sec, r_mbytes_per_sec, w_mbytes_per_sec;
    std::optional<std::uint32_t> weight;
};
const declaration<share_params> set_share_method = {
    .name = "nvmf_ns_set_qos_limit",
    .summary = "Limits what one host may do on a namespace per second, and sets its part beside other hosts.",
    .parameters =
        {
            nqn_field(&share_params::nqn),
            nsid_field(&share_params::nsid),
            host_field(&share_params::host),
            optional("rw_ios_per_sec", &share_params::rw_ios_per_sec,
                     "Commands per second; 0: no limit. Left out: as it is."),
            optional("rw_mbytes_per_sec", &share_params::rw_mbytes_per_sec, "MiB per second; 0: no limit."),
            optional("r_mbytes_per_sec", &share_params::r_mbytes_per_sec, "MiB read per second; 0: no limit."),
            optional("w_mbytes_per_sec", &share_params::w_mbytes_per_sec, "MiB written per second; 0: no limit."),
            optional(
                "weight", &share_params::weight,
                "Its part of the device's limits beside other hosts that wait. A host that nothing is set for has 1."),
            tgt_name_field(&share_params::tgt_name),
        },
    .errors = {{error_code::parameters, "there is no such subsystem or namespace, or no limit is given"}},
};

/// What is not said stays as it is.
core::task<answer> set_share(nvmf_service& service, share_params p) {
    const auto s = find_subsystem(service, p.tgt_name, p.nqn);
    if (!s)
        co_return tl::make_unexpected(s.error());
    if (!p.rw_ios_per_sec && !p.rw_mbytes_per_sec && !p.r_mbytes_per_sec && !p.w_mbytes_per_sec && !p.weight)
        co_return refuse_parameters("no limit is given: give 'rw_ios_per_sec', 'rw_mbytes_per_sec', "
                                    "'r_mbytes_per_sec', 'w_mbytes_per_sec' or 'weight'; a limit of 0 removes it");
    const auto& all = (*s)->namespaces().all();
    const auto ns = all.find(p.nsid);
    if (ns == all.end())
        co_return refuse_parameters("no namespace " + std::to_string(p.nsid) + " in " + p.nqn);
    const auto known = ns->second->host_shares().find(p.host);
    nvmf::host_share share = known == ns->second->host_shares().end() ? nvmf::host_share() : known->second;
    bdev::rate_limits& l = share.limits;
    l.rw_ios_per_sec = p.rw_ios_per_sec.value_or(l.rw_ios_per_sec);
    l.rw_mbytes_per_sec = p.rw_mbytes_per_sec.value_or(l.rw_mbytes_per_sec);
    l.r_mbytes_per_sec = p.r_mbytes_per_sec.value_or(l.r_mbytes_per_sec);
    l.w_mbytes_per_sec = p.w_mbytes_per_sec.value_or(l.w_mbytes_per_sec);
    share.weight = p.weight.value_or(share.weight);
    const auto set = co_await ns->second->set_host_share(std::move(p.host), share);
    co_return set ? ok() : answer(refuse_as(error_code::parameters, set.error()));
}

}  // namespace

json to_json(const std::string& host, const nvmf::host_share& share) {
    json all = {{"host", host}};
    all.update(to_json(share.limits));
    all["weight"] = share.weight;
    return all;
}

void add_nvmf_qos_methods(method_table& methods, nvmf_service& service) {
    methods.add(set_share_method, [&service](share_params p) { return set_share(service, std::move(p)); });
}

}  // namespace causeway::rpc
