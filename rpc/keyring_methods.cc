// SPDX-License-Identifier: Apache-2.0
#include "core/log.h"
#include "rpc/nvmf_service.h"

namespace causeway::rpc {

namespace {

struct add_params {
    std::string name, path;
};
const fields<add_params> add_fields = {
    required("name", &add_params::name),
    required("path", &add_params::path),
};

answer add(nvmf_service& service, const add_params& p) {
    const auto added = service.keys.add_file(p.name, p.path);
    return added ? ok() : answer(refuse_as(error_code::parameters, added.error()));
}

struct remove_params {
    std::string name;
};
const fields<remove_params> remove_fields = {required("name", &remove_params::name)};

answer remove(nvmf_service& service, const remove_params& p) {
    const auto key = service.keys.find(p.name);
    const auto removed = service.keys.remove(p.name);
    if (!removed)
        return refuse_as(error_code::parameters, removed.error());
    if (key.use_count() > 1)
        core::log::warning("key {} is removed, and hosts go on using it: a saved configuration reads it again from {}",
                           p.name, key->path);
    return ok();
}

/// Names and places, never what is written there.
answer get(const nvmf_service& service) {
    json all = json::array();
    for (const auto& [which, removed, uses] : service.keys.all())
        all.push_back(json{{"name", which->name},
                           {"module", "keyring_file"},
                           {"removed", removed},
                           {"probed", true},
                           {"refcnt", uses},
                           {"path", which->path}});
    return all;
}

}  // namespace

void add_keyring_methods(method_table& methods, saved_config& config, nvmf_service& service) {
    methods.add("keyring_file_add_key", states::runtime, add_fields,
                [&service](const add_params& p) { return add(service, p); });
    methods.add("keyring_file_remove_key", states::runtime, remove_fields,
                [&service](const remove_params& p) { return remove(service, p); });
    methods.add("keyring_get_keys", states::runtime, [&service] { return get(service); });
    config.add_writer("keyring", config_phase::objects, [&service](json& calls) {
        for (const auto& [which, removed, uses] : service.keys.all())
            if (!removed)
                calls.push_back(
                    saved_config::call("keyring_file_add_key", {{"name", which->name}, {"path", which->path}}));
    });
}

}  // namespace causeway::rpc
