// SPDX-License-Identifier: Apache-2.0
#include "core/log.h"
#include "rpc/nvmf_service.h"

namespace causeway::rpc {

namespace {

struct add_params {
    std::string name, path;
};
const declaration<add_params> add_method = {
    .name = "keyring_file_add_key",
    .summary = "Reads a key from a file, once, and puts it into the keyring.",
    .parameters =
        {
            required("name", &add_params::name, "The name by which hosts are given the key."),
            required("path", &add_params::path,
                     "The absolute path of a file that its owner alone may read (mode 0600), with a TLS PSK "
                     "(`NVMeTLSkey-1:…`) or a DH-HMAC-CHAP secret (`DHHC-1:…`)."),
        },
    .errors = {{error_code::parameters, "there is a key of that name, or the file is not a key's"}},
};

answer add(nvmf_service& service, const add_params& p) {
    const auto added = service.keys.add_file(p.name, p.path);
    return added ? ok() : answer(refuse_as(error_code::parameters, added.error()));
}

struct remove_params {
    std::string name;
};
const declaration<remove_params> remove_method = {
    .name = "keyring_file_remove_key",
    .summary = "Takes a key out of the keyring; hosts that have it go on using it.",
    .parameters = {required("name", &remove_params::name, "The name of the key.")},
    .errors = {{error_code::parameters, "there is no key of that name"}},
};

const declaration<> get_keys_method = {
    .name = "keyring_get_keys",
    .summary = "Lists the keys, and never what they contain.",
    .result = "an array of objects: `name`, `module`, `removed`, `probed`, `refcnt`, `path`",
};

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
    methods.add(add_method, [&service](const add_params& p) { return add(service, p); });
    methods.add(remove_method, [&service](const remove_params& p) { return remove(service, p); });
    methods.add(get_keys_method, [&service] { return get(service); });
    config.add_writer("keyring", config_phase::objects, [&service](json& calls) {
        for (const auto& [which, removed, uses] : service.keys.all())
            if (!removed)
                calls.push_back(
                    saved_config::call("keyring_file_add_key", {{"name", which->name}, {"path", which->path}}));
    });
}

}  // namespace causeway::rpc
