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
const declaration<add_params> add_method = {
    .name = "nvmf_discovery_add_referral",
    .summary = "Refers hosts that ask for the discovery log to another discovery service or subsystem.",
    .parameters =
        {
            required("address", &add_params::address, listen_address_fields, "Where it is. The port must be given."),
            optional("subnqn", &add_params::subnqn, "Its NQN; without one, the discovery service's."),
            optional("secure_channel", &add_params::secure_channel, "Whether hosts need TLS there."),
            tgt_name_field(&add_params::tgt_name),
        },
    .errors = {{error_code::parameters, "the address or the NQN is none"}},
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
const declaration<remove_params> remove_method = {
    .name = "nvmf_discovery_remove_referral",
    .summary = "Removes a referral.",
    .parameters =
        {
            required("address", &remove_params::address, listen_address_fields, "As it was added."),
            optional("subnqn", &remove_params::subnqn, "As it was added."),
            tgt_name_field(&remove_params::tgt_name),
        },
    .errors = {{error_code::parameters, "there is no such referral"}},
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
const declaration<get_params> get_method = {
    .name = "nvmf_discovery_get_referrals",
    .summary = "Lists the referrals.",
    .parameters = {tgt_name_field(&get_params::tgt_name)},
    .result = "an array of objects: `address`, `secure_channel`, `subnqn`",
};

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
    methods.add(add_method, [&service](add_params p) { return add(service, std::move(p)); });
    methods.add(remove_method, [&service](const remove_params& p) { return remove(service, p); });
    methods.add(get_method, [&service](const get_params& p) { return get(service, p); });
}

}  // namespace causeway::rpc
