// SPDX-License-Identifier: Apache-2.0
// Referrals in the discovery log.

#include "rpc/nvmf_service.h"

namespace causeway::rpc {

namespace {

struct add_params {
    std::string tgt_name = target_name;
    listen_address address;
    std::string subnqn;
    bool secure_channel = false;
};
const fields<add_params> add_fields = {
    required("address", &add_params::address, listen_address_fields),
    optional("subnqn", &add_params::subnqn),
    optional("secure_channel", &add_params::secure_channel),
    optional("tgt_name", &add_params::tgt_name),
};

answer add(nvmf_service& service, add_params p) {
    const auto target = find_target(service, p.tgt_name);
    if (!target)
        return tl::make_unexpected(target.error());
    const auto added = (*target)->referrals().add({p.address.normal(), std::move(p.subnqn), p.secure_channel});
    return added ? ok() : answer(refuse_as(error_code::parameters, added.error()));
}

struct remove_params {
    std::string tgt_name = target_name;
    listen_address address;
    std::string subnqn;
};
const fields<remove_params> remove_fields = {
    required("address", &remove_params::address, listen_address_fields),
    optional("subnqn", &remove_params::subnqn),
    optional("tgt_name", &remove_params::tgt_name),
};

answer remove(nvmf_service& service, const remove_params& p) {
    const auto target = find_target(service, p.tgt_name);
    if (!target)
        return tl::make_unexpected(target.error());
    const auto removed = (*target)->referrals().remove(p.address.normal(), p.subnqn);
    return removed ? ok() : answer(refuse_as(error_code::parameters, removed.error()));
}

struct get_params {
    std::string tgt_name = target_name;
};
const fields<get_params> get_fields = {optional("tgt_name", &get_params::tgt_name)};

answer get(const nvmf_service& service, const get_params& p) {
    const auto target = find_target(service, p.tgt_name);
    if (!target)
        return tl::make_unexpected(target.error());
    json all = json::array();
    for (const nvmf::referral& r : (*target)->referrals().all())
        all.push_back(to_json(r));
    return all;
}

}  // namespace

json to_json(const nvmf::referral& r) {
    return {{"address", to_json(r.at)}, {"secure_channel", r.secure_channel}, {"subnqn", r.subnqn}};
}

void add_nvmf_discovery_methods(method_table& methods, nvmf_service& service) {
    methods.add("nvmf_discovery_add_referral", states::runtime, add_fields,
                [&service](add_params p) { return add(service, std::move(p)); });
    methods.add("nvmf_discovery_remove_referral", states::runtime, remove_fields,
                [&service](const remove_params& p) { return remove(service, p); });
    methods.add("nvmf_discovery_get_referrals", states::runtime, get_fields,
                [&service](const get_params& p) { return get(service, p); });
}

}  // namespace causeway::rpc
