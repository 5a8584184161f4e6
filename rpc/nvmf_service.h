// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/model/keyring.h"
#include "nvmf/model/subsystem.h"
#include "nvmf/target.h"
#include "rpc/listener_mirrors.h"
#include "rpc/params.h"
#include "rpc/saved_config.h"

#include <memory>
#include <string>
#include <vector>

namespace causeway::rpc {

/// What the methods named nvmf_… work on. Control reactor; outlives every call.
struct nvmf_service {
    nvmf::keyring keys;
    nvmf::target_options options;          ///< as the startup state sets them
    std::unique_ptr<nvmf::target> target;  ///< from the runtime state on
    listener_mirrors mirrors;
    /// What nvmf_create_transport offers. REQUIRES: complete before add_nvmf_methods().
    std::vector<nvmf::transport_kind> transport_kinds;
};

/// There is one target, and this is its name; every method may say it.
inline constexpr const char* target_name = "nvmf_tgt";

// Parameters that most methods have.
template <detail::place Place>
auto tgt_name_field(Place at) {
    return optional("tgt_name", at, "The target; there is only this one.");
}
template <detail::place Place>
auto nqn_field(Place at) {
    return required("nqn", at, "The NQN of the subsystem.");
}
template <detail::place Place>
auto nsid_field(Place at) {
    return required("nsid", at, "The number of the namespace.");
}
template <detail::place Place>
auto host_field(Place at) {
    return required("host", at, "The NQN of the host.");
}

void add_nvmf_target_methods(method_table& methods, nvmf_service& service);
void add_nvmf_transport_methods(method_table& methods, nvmf_service& service);
void add_nvmf_subsystem_methods(method_table& methods, nvmf_service& service);
void add_nvmf_namespace_methods(method_table& methods, nvmf_service& service);
void add_nvmf_visibility_methods(method_table& methods, nvmf_service& service);
void add_nvmf_qos_methods(method_table& methods, nvmf_service& service);
void add_nvmf_access_methods(method_table& methods, nvmf_service& service);
void add_nvmf_ana_methods(method_table& methods, nvmf_service& service);
void add_nvmf_connection_methods(method_table& methods, nvmf_service& service);
void add_nvmf_discovery_methods(method_table& methods, nvmf_service& service);
/// And what framework_get_config says of "keyring", a subsystem that is there and comes before "nvmf".
void add_keyring_methods(method_table& methods, saved_config& config, nvmf_service& service);
/// What framework_get_config says of "nvmf". REQUIRES: that subsystem is there.
void add_nvmf_config(saved_config& config, nvmf_service& service);

/// All of them.
void add_nvmf_methods(method_table& methods, saved_config& config, nvmf_service& service);

/// What is set for one host on one namespace, as the parameters of nvmf_ns_set_qos_limit.
json to_json(const std::string& host, const nvmf::host_share& share);

// ---- What these methods share.

// Clients know the established target's codes: what a parameter names and is not there, or does not go together with
// what is, is a wrong parameter (-32602); what fails on the way is an internal error (-32603). The text says the rest.
tl::unexpected<rpc_error> refuse_as(int code, const core::error& e);

/// -32603: no target of that name.
tl::expected<nvmf::target*, rpc_error> find_target(const nvmf_service& service, const std::string& tgt_name);

/// -32602: no such subsystem.
tl::expected<nvmf::subsystem*, rpc_error> find_subsystem(const nvmf_service& service, const std::string& tgt_name,
                                                         const std::string& nqn);

/// The parameter `listen_address` of methods, as the interface has it.
struct listen_address {
    std::string trtype, adrfam, traddr, trsvcid;

    /// With the letters' case as the specifications spell them.
    nvmf::transport_address normal() const;
};
extern const fields<listen_address> listen_address_fields;

/// The listener there, if it is the mirror of another one; nullptr: it is not.
std::shared_ptr<const nvmf::listener> find_mirror(const nvmf_service& service, const nvmf::subsystem& s,
                                                  const listen_address& at);

json to_json(const nvmf::transport_address& a);
/// An element of nvmf_discovery_get_referrals, and the parameters that make the referral again.
json to_json(const nvmf::referral& r);
/// An element of nvmf_get_transports, and the parameters that make the transport again.
json transport_to_json(const nvmf::transport& t);
/// "RDMA" of "rdma".
std::string upper_case(std::string text);
/// What namespaces are identified by: digits of hexadecimal, the most significant byte first.
std::string upper_hex(std::span<const std::uint8_t> bytes);
std::string lower_hex(std::span<const std::uint8_t> bytes);

}  // namespace causeway::rpc
