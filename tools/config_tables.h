// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/config_state.h"

#include <array>
#include <string_view>

namespace causeway::tools {

/// A method that makes objects of a kind, and the parameters that make an object's name.
struct maker {
    std::string_view method;
    object_kind kind;
    std::array<std::string_view, 3> identity;
    std::string_view remover;  ///< empty: such objects cannot be removed from a gateway that runs
};

inline constexpr std::string_view discovery_nqn = "nqn.2014-08.org.nvmexpress.discovery";

/// Parameters of a host that name keys.
inline constexpr std::string_view key_parameters[] = {"psk", "dhchap_key", "dhchap_ctrlr_key"};

inline constexpr maker makers[] = {
    {"nvmf_set_config", object_kind::setting, {}, ""},
    {"nvmf_set_max_subsystems", object_kind::setting, {}, ""},
    {"nvmf_set_crdt", object_kind::setting, {}, ""},
    {"nvmf_set_discovery_limits", object_kind::setting, {}, ""},
    {"bdev_nvme_set_options", object_kind::setting, {}, ""},
    {"bdev_nvme_set_hotplug", object_kind::setting, {}, ""},
    {"keyring_file_add_key", object_kind::key, {"name"}, "keyring_file_remove_key"},
    {"nvmf_create_transport", object_kind::transport, {"trtype"}, ""},
    {"bdev_rbd_register_cluster", object_kind::cluster, {"name"}, "bdev_rbd_unregister_cluster"},
    {"bdev_nvme_attach_controller", object_kind::controller, {"name"}, "bdev_nvme_detach_controller"},
    {"bdev_rbd_create", object_kind::device, {"name"}, "bdev_rbd_delete"},
    {"bdev_null_create", object_kind::device, {"name"}, "bdev_null_delete"},
    {"bdev_malloc_create", object_kind::device, {"name"}, "bdev_malloc_delete"},
    {"bdev_error_create", object_kind::device, {"base_name"}, "bdev_error_delete"},
    {"bdev_set_qos_limit", object_kind::rate_limit, {"name"}, "bdev_set_qos_limit"},
    {"nvmf_discovery_add_referral", object_kind::referral, {"address", "subnqn"}, "nvmf_discovery_remove_referral"},
    {"nvmf_create_subsystem", object_kind::subsystem, {"nqn"}, "nvmf_delete_subsystem"},
    {"nvmf_subsystem_add_host", object_kind::host, {"nqn", "host"}, "nvmf_subsystem_remove_host"},
    {"nvmf_subsystem_add_ns", object_kind::ns, {"nqn", "namespace.nsid"}, "nvmf_subsystem_remove_ns"},
    {"nvmf_ns_add_host", object_kind::viewer, {"nqn", "nsid", "host"}, "nvmf_ns_remove_host"},
    {"nvmf_ns_set_qos_limit", object_kind::host_limit, {"nqn", "nsid", "host"}, "nvmf_ns_set_qos_limit"},
    {"nvmf_subsystem_add_listener", object_kind::listener, {"nqn", "listen_address"}, "nvmf_subsystem_remove_listener"},
};
const maker* find_maker(std::string_view method);

/// The value at "namespace.nsid"; null: there is none.
json value_at(const json& params, std::string_view path);
/// The same as text; empty: it is not text.
std::string text_at(const json& params, std::string_view path);
/// What a call of the method makes.
object_id id_of(const maker& m, const json& params);
/// A PCI address as gateways spell it: "3B:00.0" is "0000:3b:00.0". Anything else stays as it is.
std::string normal_pci_address(const std::string& text);
/// In lower case.
std::string in_lower_case(std::string text);
/// Sets `settings` and `given` by `params`. `declared`: the method's declaration.
void flatten(const maker& m, const json& declared, config_object& to);

inline constexpr std::string_view rates[] = {"rw_ios_per_sec", "rw_mbytes_per_sec", "r_mbytes_per_sec",
                                             "w_mbytes_per_sec"};

}  // namespace causeway::tools
