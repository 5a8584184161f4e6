// SPDX-License-Identifier: Apache-2.0
#include "rpc/ana_state_param.h"
#include "rpc/nvmf_service.h"

namespace causeway::rpc {

namespace {

// ---- Hosts.

struct add_host_params {
    std::string tgt_name = target_name;
    std::string nqn, host;
    std::optional<std::string> psk, dhchap_key, dhchap_ctrlr_key;
};
const fields<add_host_params> add_host_fields = {
    required("nqn", &add_host_params::nqn),
    required("host", &add_host_params::host),
    optional("tgt_name", &add_host_params::tgt_name),
    optional("psk", &add_host_params::psk),
    optional("dhchap_key", &add_host_params::dhchap_key),
    optional("dhchap_ctrlr_key", &add_host_params::dhchap_ctrlr_key),
};

/// nullptr: none is named. -32602: there is none of that name.
tl::expected<std::shared_ptr<const nvmf::key>, rpc_error> find_key(const nvmf_service& service,
                                                                   const std::optional<std::string>& name) {
    if (!name)
        return nullptr;
    auto found = service.keys.find(*name);
    if (!found)
        return refuse_parameters("no such key: " + *name);
    return found;
}

answer add_host(nvmf_service& service, const add_host_params& p) {
    const auto s = find_subsystem(service, p.tgt_name, p.nqn);
    if (!s)
        return tl::make_unexpected(s.error());
    const auto psk = find_key(service, p.psk);
    const auto dhchap = find_key(service, p.dhchap_key);
    const auto dhchap_ctrlr = find_key(service, p.dhchap_ctrlr_key);
    for (const auto* k : {&psk, &dhchap, &dhchap_ctrlr})
        if (!*k)
            return tl::make_unexpected(k->error());
    const auto added = (*s)->access().add_host(p.host, {*psk, *dhchap, *dhchap_ctrlr});
    return added ? ok() : answer(refuse_as(error_code::parameters, added.error()));
}

struct set_keys_params {
    std::string tgt_name = target_name;
    std::string nqn, host;
    std::optional<std::string> dhchap_key, dhchap_ctrlr_key;
};
const fields<set_keys_params> set_keys_fields = {
    required("nqn", &set_keys_params::nqn),
    required("host", &set_keys_params::host),
    optional("tgt_name", &set_keys_params::tgt_name),
    optional("dhchap_key", &set_keys_params::dhchap_key),
    optional("dhchap_ctrlr_key", &set_keys_params::dhchap_ctrlr_key),
};

answer set_keys(nvmf_service& service, const set_keys_params& p) {
    const auto s = find_subsystem(service, p.tgt_name, p.nqn);
    if (!s)
        return tl::make_unexpected(s.error());
    const auto dhchap = find_key(service, p.dhchap_key);
    const auto dhchap_ctrlr = find_key(service, p.dhchap_ctrlr_key);
    for (const auto* k : {&dhchap, &dhchap_ctrlr})
        if (!*k)
            return tl::make_unexpected(k->error());
    const auto set = (*s)->access().set_dhchap_keys(p.host, *dhchap, *dhchap_ctrlr);
    return set ? ok() : answer(refuse_as(error_code::parameters, set.error()));
}

struct remove_host_params {
    std::string tgt_name = target_name;
    std::string nqn, host;
};
const fields<remove_host_params> remove_host_fields = {
    required("nqn", &remove_host_params::nqn),
    required("host", &remove_host_params::host),
    optional("tgt_name", &remove_host_params::tgt_name),
    // How long to wait for the host's connections to end. Ours are ended at once.
    ignored<remove_host_params, std::uint64_t>("timeout_ms"),
};

core::task<answer> remove_host(nvmf_service& service, remove_host_params p) {
    const auto s = find_subsystem(service, p.tgt_name, p.nqn);
    if (!s)
        co_return tl::make_unexpected(s.error());
    const auto removed = co_await (*s)->access().remove_host(std::move(p.host));
    co_return removed ? ok() : answer(refuse_as(error_code::parameters, removed.error()));
}

struct allow_params {
    std::string tgt_name = target_name;
    std::string nqn;
    bool allow_any_host = false;
};
const fields<allow_params> allow_fields = {
    required("nqn", &allow_params::nqn),
    required("allow_any_host", &allow_params::allow_any_host),
    optional("tgt_name", &allow_params::tgt_name),
};

core::task<answer> allow_any_host(nvmf_service& service, allow_params p) {
    const auto s = find_subsystem(service, p.tgt_name, p.nqn);
    if (!s)
        co_return tl::make_unexpected(s.error());
    co_await (*s)->access().set_allow_any_host(p.allow_any_host);
    co_return ok();
}

// ---- Listeners.

struct add_listener_params {
    std::string tgt_name = target_name;
    std::string nqn;
    listen_address at;
    nvme::ana_state ana_state = nvme::ana_state::optimized;
    bool secure_channel = false;
};
const fields<add_listener_params> add_listener_fields = {
    required("nqn", &add_listener_params::nqn),
    required("listen_address", &add_listener_params::at, listen_address_fields),
    optional("tgt_name", &add_listener_params::tgt_name),
    optional("ana_state", &add_listener_params::ana_state),
    optional("secure_channel", &add_listener_params::secure_channel),
    unsupported<add_listener_params>("sock_impl", "there is only one socket implementation"),
    only<add_listener_params>("numa_id", -1, "queue pairs live on every core"),
};

core::task<answer> add_listener(nvmf_service& service, add_listener_params p) {
    const auto s = find_subsystem(service, p.tgt_name, p.nqn);
    if (!s)
        co_return tl::make_unexpected(s.error());
    const nvmf::listen_options required_of_hosts{.secure_channel = p.secure_channel};
    const auto listening = co_await (*s)->listeners().add(p.at.normal(), required_of_hosts, p.ana_state);
    co_return listening ? ok() : answer(refuse_as(error_code::parameters, listening.error()));
}

struct remove_listener_params {
    std::string tgt_name = target_name;
    std::string nqn;
    listen_address at;
};
const fields<remove_listener_params> remove_listener_fields = {
    required("nqn", &remove_listener_params::nqn),
    required("listen_address", &remove_listener_params::at, listen_address_fields),
    optional("tgt_name", &remove_listener_params::tgt_name),
};

core::task<answer> remove_listener(nvmf_service& service, remove_listener_params p) {
    const auto s = find_subsystem(service, p.tgt_name, p.nqn);
    if (!s)
        co_return tl::make_unexpected(s.error());
    const auto removed = co_await (*s)->listeners().remove(p.at.normal());
    co_return removed ? ok() : answer(refuse_as(error_code::parameters, removed.error()));
}

struct get_listeners_params {
    std::string tgt_name = target_name;
    std::string nqn;
};
const fields<get_listeners_params> get_listeners_fields = {
    required("nqn", &get_listeners_params::nqn),
    optional("tgt_name", &get_listeners_params::tgt_name),
};

json ana_states_to_json(const nvmf::ana_states& states) {
    json all = json::array();
    for (std::uint32_t group = 1; group <= states.groups(); ++group)
        all.push_back({{"ana_group", group}, {"ana_state", nvmf::to_string(states.state(group))}});
    return all;
}

answer get_listeners(const nvmf_service& service, const get_listeners_params& p) {
    const auto s = find_subsystem(service, p.tgt_name, p.nqn);
    if (!s)
        return tl::make_unexpected(s.error());
    json all = json::array();
    for (const auto& l : (*s)->listeners().all()) {
        json one = {{"address", to_json(l->at)}};
        if (l->ana)
            one["ana_states"] = ana_states_to_json(*l->ana);
        all.push_back(std::move(one));
    }
    return all;
}

}  // namespace

void add_nvmf_access_methods(method_table& methods, nvmf_service& service) {
    methods.add("nvmf_subsystem_add_host", states::runtime, add_host_fields,
                [&service](const add_host_params& p) { return add_host(service, p); });
    methods.add("nvmf_subsystem_set_keys", states::runtime, set_keys_fields,
                [&service](const set_keys_params& p) { return set_keys(service, p); });
    methods.add("nvmf_subsystem_remove_host", states::runtime, remove_host_fields,
                [&service](remove_host_params p) { return remove_host(service, std::move(p)); });
    methods.add("nvmf_subsystem_allow_any_host", states::runtime, allow_fields,
                [&service](allow_params p) { return allow_any_host(service, std::move(p)); });
    methods.add("nvmf_subsystem_add_listener", states::runtime, add_listener_fields,
                [&service](add_listener_params p) { return add_listener(service, std::move(p)); });
    methods.add("nvmf_subsystem_remove_listener", states::runtime, remove_listener_fields,
                [&service](remove_listener_params p) { return remove_listener(service, std::move(p)); });
    methods.add("nvmf_subsystem_get_listeners", states::runtime, get_listeners_fields,
                [&service](const get_listeners_params& p) { return get_listeners(service, p); });
}

}  // namespace causeway::rpc
