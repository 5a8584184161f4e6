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
const fields<share_params> share_fields = {
    required("nqn", &share_params::nqn),
    required("nsid", &share_params::nsid),
    required("host", &share_params::host),
    optional("rw_ios_per_sec", &share_params::rw_ios_per_sec),
    optional("rw_mbytes_per_sec", &share_params::rw_mbytes_per_sec),
    optional("r_mbytes_per_sec", &share_params::r_mbytes_per_sec),
    optional("w_mbytes_per_sec", &share_params::w_mbytes_per_sec),
    optional("weight", &share_params::weight),
    optional("tgt_name", &share_params::tgt_name),
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
    methods.add("nvmf_ns_set_qos_limit", states::runtime, share_fields,
                [&service](share_params p) { return set_share(service, std::move(p)); });
}

}  // namespace causeway::rpc
