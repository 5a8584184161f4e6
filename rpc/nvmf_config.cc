// SPDX-License-Identifier: Apache-2.0
#include "nvme/nqn.h"
#include "nvmf/model/nvm_namespace.h"
#include "rpc/nvmf_service.h"

#include <algorithm>
#include <map>
#include <utility>

namespace causeway::rpc {

namespace {

json filters_of(const nvmf::discovery_filter& f) {
    json all = json::array();
    if (f.transport)
        all.push_back("transport");
    if (f.address)
        all.push_back("address");
    if (f.service)
        all.push_back("svcid");
    return all;
}

template <class T>
json names_of(const std::vector<T>& algorithms) {
    json names = json::array();
    for (const T a : algorithms)
        names.push_back(auth::to_string(a));
    return names;
}

void write_settings(const nvmf::target_options& o, json& calls) {
    const nvmf::target_options unchanged;
    if (o.auth != unchanged.auth)
        calls.push_back(saved_config::call("nvmf_set_config", {{"dhchap_digests", names_of(o.auth.digests)},
                                                               {"dhchap_dhgroups", names_of(o.auth.dhgroups)}}));
    if (o.max_subsystems != unchanged.max_subsystems)
        calls.push_back(saved_config::call("nvmf_set_max_subsystems", {{"max_subsystems", o.max_subsystems}}));
    if (!std::ranges::equal(o.crdt, unchanged.crdt))
        calls.push_back(
            saved_config::call("nvmf_set_crdt", {{"crdt1", o.crdt[0]}, {"crdt2", o.crdt[1]}, {"crdt3", o.crdt[2]}}));
    if (o.filter != unchanged.filter)
        calls.push_back(saved_config::call("nvmf_set_config", {{"discovery_filters", filters_of(o.filter)}}));
    if (o.discovery_nqn != unchanged.discovery_nqn)
        calls.push_back(saved_config::call("nvmf_set_config", {{"discovery_nqn", o.discovery_nqn}}));
    if (o.discovery != unchanged.discovery)
        calls.push_back(saved_config::call("nvmf_set_discovery_limits", {{"max_controllers", o.discovery.controllers},
                                                                         {"max_per_address", o.discovery.per_address},
                                                                         {"max_per_host", o.discovery.per_host}}));
}

json create_params(const nvmf::subsystem& s) {
    const auto& o = s.options();
    json params = {{"nqn", o.nqn},
                   {"allow_any_host", s.access().allow_any_host()},
                   {"serial_number", o.serial_number},
                   {"model_number", o.model_number},
                   {"max_namespaces", o.max_namespaces},
                   {"min_cntlid", o.min_cntlid},
                   {"max_cntlid", o.max_cntlid},
                   {"dmrsl", o.dmrsl},
                   {"wzsl", o.wzsl},
                   {"ana_reporting", o.ana_reporting}};
    if (!o.admin_label.empty())
        params["admin_label"] = o.admin_label;
    return params;
}

json namespace_params(const nvmf::subsystem& s, const nvmf::nvm_namespace& ns) {
    json inner = {{"nsid", ns.nsid()}, {"bdev_name", ns.device().name()}};
    if (std::ranges::any_of(ns.nguid(), [](auto b) { return b != 0; }))
        inner["nguid"] = upper_hex(ns.nguid());
    if (ns.eui64())
        inner["eui64"] = upper_hex(*ns.eui64());
    inner["uuid"] = bdev::to_string(ns.uuid());
    if (!ns.visibility().hosts().are_all())
        inner["no_auto_visible"] = true;
    if (s.ana().reported())
        inner["anagrpid"] = ns.ana_group();
    if (!ns.ptpl_file().empty())
        inner["ptpl_file"] = ns.ptpl_file();
    return {{"nqn", s.nqn()}, {"namespace", std::move(inner)}};
}

/// A host, with its keys. One that is no longer in the keyring is put there for as long as the host is made: keys are
/// taken out of it when hosts have them, and a configuration that names a key without having it would not load.
void write_host(const nvmf::keyring& keyring, const std::string& nqn, const std::string& host,
                const nvmf::host_keys& keys, json& calls) {
    json params = {{"nqn", nqn}, {"host", host}};
    std::map<std::string, std::shared_ptr<const nvmf::key>> borrowed;  // by the names that they get
    const auto name_of = [&](const std::shared_ptr<const nvmf::key>& k) {
        std::string name = k->name;
        if (keyring.find(name) == k)
            return name;
        const auto is_taken = [&] { return keyring.find(name) || (borrowed.contains(name) && borrowed[name] != k); };
        while (is_taken())  // another key has this name now
            name += "-removed";
        borrowed[name] = k;
        return name;
    };
    for (const auto& [parameter, k] :
         {std::pair("psk", keys.psk), {"dhchap_key", keys.dhchap}, {"dhchap_ctrlr_key", keys.dhchap_ctrlr}})
        if (k)
            params[parameter] = name_of(k);
    for (const auto& [name, k] : borrowed)
        calls.push_back(saved_config::call("keyring_file_add_key", {{"name", name}, {"path", k->path}}));
    calls.push_back(saved_config::call("nvmf_subsystem_add_host", std::move(params)));
    for (const auto& [name, k] : borrowed)
        calls.push_back(saved_config::call("keyring_file_remove_key", {{"name", name}}));
}

/// Everything but its listeners. The discovery subsystem is there already.
void write_subsystem(const nvmf::keyring& keys, const nvmf::subsystem& s, json& calls) {
    if (!s.is_discovery())
        calls.push_back(saved_config::call("nvmf_create_subsystem", create_params(s)));
    else if (!s.access().allow_any_host())
        calls.push_back(
            saved_config::call("nvmf_subsystem_allow_any_host", {{"nqn", s.nqn()}, {"allow_any_host", false}}));
    for (const auto& [host, its_keys] : s.access().hosts())
        write_host(keys, s.nqn(), host, its_keys, calls);
    for (const auto& [nsid, ns] : s.namespaces().all()) {
        calls.push_back(saved_config::call("nvmf_subsystem_add_ns", namespace_params(s, *ns)));
        for (const auto& [host, number] : ns->visibility().hosts().list())
            calls.push_back(saved_config::call("nvmf_ns_add_host", {{"nqn", s.nqn()}, {"nsid", nsid}, {"host", host}}));
        for (const auto& [host, share] : ns->host_shares()) {
            json params = to_json(host, share);
            params["nqn"] = s.nqn();
            params["nsid"] = nsid;
            calls.push_back(saved_config::call("nvmf_ns_set_qos_limit", std::move(params)));
        }
    }
}

/// A listener, with its ANA states. Where they differ it is made inaccessible, and then given one state after the
/// other: a host that comes meanwhile must not use a path that it has not.
void write_listener(const nvmf::subsystem& s, const nvmf::listener& l, json& calls) {
    json params = {{"nqn", s.nqn()}, {"listen_address", to_json(l.at)}, {"secure_channel", l.options.secure_channel}};
    if (!l.ana) {
        calls.push_back(saved_config::call("nvmf_subsystem_add_listener", std::move(params)));
        return;
    }
    const nvmf::ana_states& states = *l.ana;
    bool differ = false;
    for (std::uint32_t group = 2; group <= states.groups(); ++group)
        differ |= states.state(group) != states.state(1);
    const nvme::ana_state first = differ ? nvme::ana_state::inaccessible : states.state(1);
    params["ana_state"] = nvmf::to_string(first);
    calls.push_back(saved_config::call("nvmf_subsystem_add_listener", std::move(params)));
    for (std::uint32_t group = 1; group <= states.groups(); ++group)
        if (states.state(group) != first)
            calls.push_back(saved_config::call("nvmf_subsystem_listener_set_ana_state",
                                               {{"nqn", s.nqn()},
                                                {"listen_address", to_json(l.at)},
                                                {"ana_state", nvmf::to_string(states.state(group))},
                                                {"anagrpid", group}}));
}

}  // namespace

void add_nvmf_config(saved_config& config, nvmf_service& service) {
    config.add_writer("nvmf", config_phase::settings,
                      [&service](json& calls) { write_settings(service.options, calls); });
    config.add_writer("nvmf", config_phase::modules, [&service](json& calls) {
        for (const auto& t : service.target->transports())
            calls.push_back(saved_config::call("nvmf_create_transport", transport_to_json(*t)));
    });
    config.add_writer("nvmf", config_phase::objects, [&service](json& calls) {
        if (!service.target->find_subsystem(nvme::discovery_nqn))
            calls.push_back(saved_config::call("nvmf_delete_subsystem", {{"nqn", nvme::discovery_nqn}}));
        for (const nvmf::referral& r : service.target->referrals().all())
            calls.push_back(saved_config::call("nvmf_discovery_add_referral", to_json(r)));
        for (const auto& s : service.target->subsystems())
            write_subsystem(service.keys, *s, calls);
        // Last of all: a host that comes finds everything.
        for (const auto& s : service.target->subsystems())
            for (const auto& l : s->listeners().all())
                if (!service.mirrors.mirrored_by(s->nqn(), l->at))
                    write_listener(*s, *l, calls);
    });
}

}  // namespace causeway::rpc
