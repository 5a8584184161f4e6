// SPDX-License-Identifier: Apache-2.0
#include "rpc/ana_state_param.h"
#include "rpc/nvmf_service.h"

#include <fmt/format.h>

namespace causeway::rpc {

namespace {

// ---- Hosts.

struct add_host_params {
    std::string tgt_name = target_name;
    std::string nqn, host;
    std::optional<std::string> psk, dhchap_key, dhchap_ctrlr_key;
};
const declaration<add_host_params> add_host_method = {
    .name = "nvmf_subsystem_add_host",
    .summary = "Lets a host use a subsystem.",
    .parameters =
        {
            nqn_field(&add_host_params::nqn),
            host_field(&add_host_params::host),
            tgt_name_field(&add_host_params::tgt_name),
            optional("psk", &add_host_params::psk,
                     "A key of the keyring: the host's TLS PSK. Listeners with "
                     "`secure_channel` let only such hosts connect."),
            optional("dhchap_key", &add_host_params::dhchap_key,
                     "A key of the keyring by which the host must prove who it is (DH-HMAC-CHAP)."),
            optional("dhchap_ctrlr_key", &add_host_params::dhchap_ctrlr_key,
                     "A key by which the subsystem proves itself to the host, if the host asks."),
        },
    .errors = {{error_code::parameters, "there is no such subsystem or key, or a key is of the wrong kind"}},
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
const declaration<set_keys_params> set_keys_method = {
    .name = "nvmf_subsystem_set_keys",
    .summary =
        "Changes the keys by which a host authenticates; connections stay, and the next authentication uses them.",
    .parameters =
        {
            nqn_field(&set_keys_params::nqn),
            host_field(&set_keys_params::host),
            tgt_name_field(&set_keys_params::tgt_name),
            optional("dhchap_key", &set_keys_params::dhchap_key,
                     "As of nvmf_subsystem_add_host. Left out: the host need not authenticate any more."),
            optional("dhchap_ctrlr_key", &set_keys_params::dhchap_ctrlr_key,
                     "As of nvmf_subsystem_add_host. Left out: there is none any more."),
        },
    .errors = {{error_code::parameters, "there is no such subsystem, host or key"}},
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
const declaration<remove_host_params> remove_host_method = {
    .name = "nvmf_subsystem_remove_host",
    .summary = "Takes a host off a subsystem's list, and ends its connections unless any host is allowed.",
    .parameters =
        {
            nqn_field(&remove_host_params::nqn),
            host_field(&remove_host_params::host),
            tgt_name_field(&remove_host_params::tgt_name),
            ignored<remove_host_params, std::uint64_t>("timeout_ms", "connections end at once"),
        },
    .errors = {{error_code::parameters, "there is no such subsystem, or it does not list the host"}},
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
const declaration<allow_params> allow_any_host_method = {
    .name = "nvmf_subsystem_allow_any_host",
    .summary = "Sets whether hosts that a subsystem does not list may use it.",
    .parameters =
        {
            nqn_field(&allow_params::nqn),
            required("allow_any_host", &allow_params::allow_any_host,
                     "Whether they may. `false` ends the connections of hosts that are not listed."),
            tgt_name_field(&allow_params::tgt_name),
        },
    .errors = {{error_code::parameters, "there is no such subsystem"}},
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
const declaration<add_listener_params> add_listener_method = {
    .name = "nvmf_subsystem_add_listener",
    .summary = "Lets hosts reach a subsystem at an address.",
    .parameters =
        {
            nqn_field(&add_listener_params::nqn),
            required("listen_address", &add_listener_params::at, listen_address_fields, "Where to listen."),
            tgt_name_field(&add_listener_params::tgt_name),
            optional("ana_state", &add_listener_params::ana_state, "The state of every ANA group by this listener."),
            optional("secure_channel", &add_listener_params::secure_channel,
                     "TLS only: a host connects with its `psk`, or not at all. TCP has it."),
            unsupported<add_listener_params>("sock_impl", "there is only one socket implementation"),
            only<add_listener_params>("numa_id", -1, "queue pairs live on every core"),
        },
    .errors = {{error_code::parameters,
                "there is no such subsystem or transport, the address is none of this machine's, or it is in use"},
               {-EBUSY, "it is just being made beside a TCP listener (`--mirror-listeners`)"}},
};

core::task<answer> add_listener(nvmf_service& service, add_listener_params p) {
    const auto s = find_subsystem(service, p.tgt_name, p.nqn);
    if (!s)
        co_return tl::make_unexpected(s.error());
    if (const auto mirror = find_mirror(service, **s, p.at); mirror && !p.secure_channel) {
        if (!service.mirrors.listens(p.nqn, mirror->at))
            co_return refuse_errno(EBUSY, "the listener is just being made beside a TCP listener: try again",
                                   mirror->at.text());
        service.mirrors.adopt(p.nqn, mirror->at);  // it is there already, and now it is the operator's own
        if (!mirror->ana)
            co_return ok();
        const auto set = co_await (*s)->ana().set_state(mirror->at, p.ana_state, 0);
        co_return set ? ok() : answer(refuse_as(error_code::parameters, set.error()));
    }
    const nvmf::listen_options required_of_hosts{.secure_channel = p.secure_channel};
    const auto listening = co_await (*s)->listeners().add(p.at.normal(), required_of_hosts, p.ana_state);
    if (!listening)
        co_return refuse_as(error_code::parameters, listening.error());
    co_await service.mirrors.added(*service.target, p.nqn, p.at.normal());
    co_return ok();
}

struct remove_listener_params {
    std::string tgt_name = target_name;
    std::string nqn;
    listen_address at;
};
const declaration<remove_listener_params> remove_listener_method = {
    .name = "nvmf_subsystem_remove_listener",
    .summary = "Ends what nvmf_subsystem_add_listener began, with the connections that came that way.",
    .parameters =
        {
            nqn_field(&remove_listener_params::nqn),
            required("listen_address", &remove_listener_params::at, listen_address_fields, "Where it listens."),
            tgt_name_field(&remove_listener_params::tgt_name),
        },
    .errors = {{error_code::parameters, "there is no such subsystem or listener"}},
};

core::task<answer> remove_listener(nvmf_service& service, remove_listener_params p) {
    const auto s = find_subsystem(service, p.tgt_name, p.nqn);
    if (!s)
        co_return tl::make_unexpected(s.error());
    if (const auto mirror = find_mirror(service, **s, p.at))
        co_return refuse_parameters(fmt::format("{} stands beside {} (--mirror-listeners), and goes with it",
                                                mirror->at.text(),
                                                service.mirrors.mirrored_by(p.nqn, mirror->at)->text()));
    // Both at the same time: I/O that hangs on the connections of one does not let hosts come by the other.
    core::one_shot<core::result<>> itself_removed;
    core::detach((*s)->listeners().remove(p.at.normal()),
                 [&itself_removed](core::result<> r) { itself_removed.set(std::move(r)); });
    co_await service.mirrors.removed(*service.target, p.nqn, p.at.normal());
    const auto removed = co_await itself_removed;
    if (!removed)
        co_return refuse_as(error_code::parameters, removed.error());
    co_return ok();
}

struct get_listeners_params {
    std::string tgt_name = target_name;
    std::string nqn;
};
const declaration<get_listeners_params> get_listeners_method = {
    .name = "nvmf_subsystem_get_listeners",
    .summary = "Lists the listeners of a subsystem, with their ANA states.",
    .parameters = {nqn_field(&get_listeners_params::nqn), tgt_name_field(&get_listeners_params::tgt_name)},
    .result = "an array of objects: `address`; with `ana_reporting`, `ana_states` (`ana_group`, `ana_state`)",
    .errors = {{error_code::parameters, "there is no such subsystem"}},
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
    methods.add(add_host_method, [&service](const add_host_params& p) { return add_host(service, p); });
    methods.add(set_keys_method, [&service](const set_keys_params& p) { return set_keys(service, p); });
    methods.add(remove_host_method, [&service](remove_host_params p) { return remove_host(service, std::move(p)); });
    methods.add(allow_any_host_method, [&service](allow_params p) { return allow_any_host(service, std::move(p)); });
    methods.add(add_listener_method, [&service](add_listener_params p) { return add_listener(service, std::move(p)); });
    methods.add(remove_listener_method,
                [&service](remove_listener_params p) { return remove_listener(service, std::move(p)); });
    methods.add(get_listeners_method, [&service](const get_listeners_params& p) { return get_listeners(service, p); });
}

}  // namespace causeway::rpc
