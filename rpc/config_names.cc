// SPDX-License-Identifier: Apache-2.0
#include "rpc/config_names.h"

#include "rpc/nvmf_service.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace causeway::rpc {

namespace {

/// A method that makes or removes `kind`, and the parameter with the thing's name.
struct naming_method {
    std::string_view method, kind, parameter;
};
constexpr naming_method makers[] = {
    {"keyring_file_add_key", "key", "name"},       {"bdev_rbd_register_cluster", "cluster", "name"},
    {"bdev_rbd_create", "bdev", "name"},           {"bdev_null_create", "bdev", "name"},
    {"bdev_malloc_create", "bdev", "name"},        {"bdev_nvme_attach_controller", "controller", "name"},
    {"nvmf_create_subsystem", "subsystem", "nqn"},
};
constexpr naming_method removers[] = {
    {"keyring_file_remove_key", "key", "name"},
    {"bdev_rbd_unregister_cluster", "cluster", "name"},
    {"bdev_rbd_delete", "bdev", "name"},
    {"bdev_null_delete", "bdev", "name"},
    {"bdev_malloc_delete", "bdev", "name"},
    {"bdev_error_delete", "bdev", "name"},
    {"bdev_nvme_detach_controller", "controller", "name"},
    {"nvmf_delete_subsystem", "subsystem", "nqn"},
};

/// Parameters that name what must be there.
struct reference {
    std::string_view parameter, kind;
};
constexpr reference references[] = {
    {"cluster_name", "cluster"}, {"base_name", "bdev"}, {"bdev_name", "bdev"}, {"nqn", "subsystem"}, {"psk", "key"},
    {"dhchap_ctrlr_key", "key"}, {"dhchap_key", "key"},
};

constexpr std::string_view discovery_nqn_prefix = "nqn.2014-08.org.nvmexpress.discovery";

/// A text parameter; empty: there is none.
std::string text(const json& params, std::string_view key) {
    const auto it = params.find(key);
    return it != params.end() && it->is_string() ? it->get<std::string>() : std::string();
}
const json& object(const json& params, std::string_view key) {
    static const json none = json::object();
    const auto it = params.find(key);
    return it != params.end() && it->is_object() ? *it : none;
}

std::string name_of(std::string_view kind, std::string_view name) {
    return fmt::format("{} {}", kind, name);
}
void add(std::vector<std::string>& to, std::string_view kind, const std::string& name) {
    if (!name.empty())
        to.push_back(name_of(kind, name));
}

/// "Nvme0n1" is a namespace of the controller "Nvme0"; empty: the name is not of that form.
std::string controller_of(const std::string& bdev) {
    const auto last = bdev.find_last_not_of("0123456789");
    const bool is_namespace = last != std::string::npos && last > 0 && last + 1 < bdev.size() && bdev[last] == 'n';
    return is_namespace ? bdev.substr(0, last) : std::string();
}

void add_bdev_need(config_names& names, const std::string& bdev) {
    add(names.needs, "bdev", bdev);
    add(names.needs, "controller", controller_of(bdev));
}

/// What a call with such an address makes or removes: "listener nqn.x TCP 10.0.0.1 4420".
std::string listener(const json& params) {
    const json& at = object(params, "listen_address");
    return fmt::format("{} {} {} {}", text(params, "nqn"), upper_case(text(at, "trtype")), text(at, "traddr"),
                       text(at, "trsvcid"));
}
std::string numbered_namespace(const json& params, const json& with_nsid) {
    const auto nsid = with_nsid.find("nsid");
    if (nsid == with_nsid.end() || !nsid->is_number_unsigned() || *nsid == 0)
        return {};
    return fmt::format("{} {}", text(params, "nqn"), nsid->get<std::uint64_t>());
}

/// Things within a subsystem, whose names have several parts.
void add_parts_of_subsystem(std::string_view method, const json& params, config_names& names) {
    const std::string nqn = text(params, "nqn");
    const json& ns = object(params, "namespace");
    if (method == "nvmf_subsystem_add_ns") {
        add_bdev_need(names, text(ns, "bdev_name"));
        add(names.makes, "namespace", numbered_namespace(params, ns));
        add(names.makes, "export", nqn + " " + text(ns, "bdev_name"));
    } else if (method == "nvmf_subsystem_remove_ns") {
        add(names.removes, "namespace", numbered_namespace(params, params));
    } else if (method == "nvmf_ns_add_host") {
        add(names.needs, "namespace", numbered_namespace(params, params));
        add(names.makes, "viewer", numbered_namespace(params, params) + " " + text(params, "host"));
    } else if (method == "nvmf_ns_remove_host") {
        add(names.removes, "viewer", numbered_namespace(params, params) + " " + text(params, "host"));
    } else if (method == "nvmf_subsystem_set_ns_visibility" || method == "nvmf_ns_set_qos_limit") {
        add(names.needs, "namespace", numbered_namespace(params, params));
    } else if (method == "nvmf_subsystem_add_host") {
        add(names.makes, "host", nqn + " " + text(params, "host"));
    } else if (method == "nvmf_subsystem_set_keys") {
        add(names.needs, "host", nqn + " " + text(params, "host"));
    } else if (method == "nvmf_subsystem_remove_host") {
        add(names.removes, "host", nqn + " " + text(params, "host"));
    } else if (method == "nvmf_subsystem_add_listener") {
        add(names.makes, "listener", listener(params));
        add(names.needs, "transport", upper_case(text(object(params, "listen_address"), "trtype")));
        add(names.follows, "subsystem", nqn);  // a host that comes finds everything
    } else if (method == "nvmf_subsystem_remove_listener") {
        add(names.removes, "listener", listener(params));
    } else if (method == "nvmf_subsystem_listener_set_ana_state") {
        add(names.needs, "listener", listener(params));
        add(names.follows, "subsystem", nqn);  // as its listener does, which else would wait for this
    } else if (method == "nvmf_subsystem_set_ns_ana_group") {
        add(names.needs, "namespace", numbered_namespace(params, params));
    }
}

void add_devices(std::string_view method, const json& params, config_names& names) {
    if (method == "bdev_rbd_register_cluster") {
        names.lane = name_of("cluster", text(params, "name"));
    } else if (method == "bdev_rbd_create") {
        const std::string cluster = text(params, "cluster_name");
        names.lane = !cluster.empty() ? name_of("cluster", cluster)
                                      : name_of("client", text(params, "user_id") + object(params, "config").dump());
        std::string rados_namespace = text(params, "namespace");
        if (rados_namespace.empty())
            rados_namespace = text(params, "namespace_name");  // another spelling
        const std::string parts[] = {text(params, "pool_name"), rados_namespace, text(params, "rbd_name")};
        std::vector<std::string_view> path(std::begin(parts), std::end(parts));
        std::erase(path, "");
        names.makes.push_back(name_of("bdev", fmt::format("{}", fmt::join(path, "/"))));  // its alias
    } else if (method == "bdev_error_create") {
        add(names.makes, "bdev", "EE_" + text(params, "base_name"));
    } else if (method == "bdev_nvme_set_hotplug") {
        // It must not get ahead of an attachment by name.
        names.follows.push_back("method bdev_nvme_attach_controller");
    } else if (method == "nvmf_create_transport") {
        add(names.makes, "transport", upper_case(text(params, "trtype")));
    }
}

}  // namespace

config_names names_in(std::string_view method, const json& params) {
    config_names names;
    if (!params.is_object())
        return names;
    const auto maker = std::ranges::find(makers, method, &naming_method::method);
    if (maker != std::end(makers))
        add(names.makes, maker->kind, text(params, maker->parameter));
    const auto remover = std::ranges::find(removers, method, &naming_method::method);
    if (remover != std::end(removers))
        add(names.removes, remover->kind, text(params, remover->parameter));

    const auto is_own = [&](std::string_view parameter) {
        return (maker != std::end(makers) && maker->parameter == parameter) ||
               (remover != std::end(removers) && remover->parameter == parameter);
    };
    for (const auto& r : references) {
        const std::string name = text(params, r.parameter);
        if (is_own(r.parameter) || (r.parameter == "nqn" && name.starts_with(discovery_nqn_prefix)))
            continue;
        if (r.kind == "bdev")
            add_bdev_need(names, name);
        else
            add(names.needs, r.kind, name);
    }
    if (maker == std::end(makers) && remover == std::end(removers) && method.starts_with("bdev_")) {
        if (method.starts_with("bdev_nvme_"))
            add(names.needs, "controller", text(params, "name"));
        else
            add_bdev_need(names, text(params, "name"));
    }
    add_devices(method, params, names);
    add_parts_of_subsystem(method, params, names);
    return names;
}

bool contains_its_users(std::string_view name) {
    return std::ranges::any_of(
        std::initializer_list<std::string_view>{"subsystem ", "bdev ", "controller ", "namespace "},
        [&](std::string_view kind) { return name.starts_with(kind); });
}

}  // namespace causeway::rpc
