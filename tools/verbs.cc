// SPDX-License-Identifier: Apache-2.0
#include "tools/verbs.h"

#include "tools/method_help.h"

#include <algorithm>
#include <fmt/format.h>

namespace causeway::tools {

namespace {

constexpr verb verbs[] = {
    {"subsystem", "add", "nvmf_create_subsystem"},
    {"subsystem", "remove", "nvmf_delete_subsystem"},
    {"subsystem", "show", "nvmf_get_subsystems"},
    {"subsystem", "set", "nvmf_subsystem_allow_any_host"},
    {"host", "add", "nvmf_subsystem_add_host"},
    {"host", "remove", "nvmf_subsystem_remove_host"},
    {"host", "show", "nvmf_subsystem_get_controllers"},
    {"host", "set", "nvmf_subsystem_set_keys"},
    {"namespace", "add", "nvmf_subsystem_add_ns"},
    {"namespace", "remove", "nvmf_subsystem_remove_ns"},
    {"namespace", "set", "nvmf_subsystem_set_ns_visibility"},
    {"listener", "add", "nvmf_subsystem_add_listener"},
    {"listener", "remove", "nvmf_subsystem_remove_listener"},
    {"listener", "show", "nvmf_subsystem_get_listeners"},
    {"listener", "set", "nvmf_subsystem_listener_set_ana_state"},
    {"image", "add", "bdev_rbd_create"},
    {"image", "remove", "bdev_rbd_delete"},
    {"image", "show", "bdev_get_bdevs"},
    {"image", "set", "bdev_set_qos_limit"},
    {"key", "add", "keyring_file_add_key"},
    {"key", "remove", "keyring_file_remove_key"},
    {"key", "show", "keyring_get_keys"},
    {"transport", "add", "nvmf_create_transport"},
    {"transport", "show", "nvmf_get_transports"},
    {"cluster", "add", "bdev_rbd_register_cluster"},
    {"cluster", "remove", "bdev_rbd_unregister_cluster"},
    {"cluster", "show", "bdev_rbd_get_clusters_info"},
    {"controller", "add", "bdev_nvme_attach_controller"},
    {"controller", "remove", "bdev_nvme_detach_controller"},
    {"controller", "show", "bdev_nvme_get_controllers"},
    {"controller", "set", "bdev_nvme_set_options"},
};

}  // namespace

std::vector<std::string_view> nouns() {
    std::vector<std::string_view> all;
    for (const verb& v : verbs)
        if (all.empty() || all.back() != v.noun)
            all.push_back(v.noun);
    return all;
}

const verb* find_verb(std::string_view noun, std::string_view name) {
    const auto found = std::ranges::find_if(verbs, [&](const verb& v) { return v.noun == noun && v.name == name; });
    return found == std::end(verbs) ? nullptr : &*found;
}

std::string verb_list(std::string_view noun, const json& help) {
    std::string text;
    for (const verb& v : verbs)
        if (const json* method = v.noun == noun ? find_method(help, v.method) : nullptr)
            text += fmt::format("  causeway {} {:<6}  {}\n", noun, v.name, (*method)["summary"].get<std::string>());
    return text;
}

}  // namespace causeway::tools
