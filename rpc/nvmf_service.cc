// SPDX-License-Identifier: Apache-2.0
#include "rpc/nvmf_service.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fmt/format.h>

namespace causeway::rpc {

tl::unexpected<rpc_error> refuse_as(int code, const core::error& e) {
    return refuse(code, e.text());
}

tl::expected<nvmf::target*, rpc_error> find_target(const nvmf_service& service, const std::string& tgt_name) {
    if (tgt_name != target_name)
        return refuse(error_code::internal, "no such target: " + tgt_name);
    return service.target.get();
}

tl::expected<nvmf::subsystem*, rpc_error> find_subsystem(const nvmf_service& service, const std::string& tgt_name,
                                                         const std::string& nqn) {
    const auto target = find_target(service, tgt_name);
    if (!target)
        return tl::make_unexpected(target.error());
    if (nvmf::subsystem* s = (*target)->find_subsystem(nqn))
        return s;
    return refuse_parameters("no such subsystem: " + nqn);
}

std::string upper_case(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::toupper(c); });
    return text;
}

std::string upper_hex(std::span<const std::uint8_t> bytes) {
    return fmt::format("{:02X}", fmt::join(bytes, ""));
}

std::string lower_hex(std::span<const std::uint8_t> bytes) {
    return fmt::format("{:02x}", fmt::join(bytes, ""));
}

const fields<listen_address> listen_address_fields = {
    required("trtype", &listen_address::trtype, "The transport: `TCP` or `RDMA`, in any case."),
    optional("adrfam", &listen_address::adrfam, "`IPv4` or `IPv6`; what `traddr` is, by default."),
    required("traddr", &listen_address::traddr, "The IP address."),
    optional("trsvcid", &listen_address::trsvcid, "The port: a number from 1 to 65535, in a string."),
};

nvmf::transport_address listen_address::normal() const {
    nvmf::transport_address a{upper_case(trtype), adrfam, traddr, trsvcid};
    for (const char* proper : {"IPv4", "IPv6"})
        if (upper_case(adrfam) == upper_case(proper))
            a.adrfam = proper;
    return a;
}

std::shared_ptr<const nvmf::listener> find_mirror(const nvmf_service& service, const nvmf::subsystem& s,
                                                  const listen_address& at) {
    const auto found = s.listeners().find_listener(at.normal());
    if (!found || !service.mirrors.mirrored_by(s.nqn(), (**found)->at))
        return nullptr;
    return **found;
}

json to_json(const nvmf::transport_address& a) {
    return {{"trtype", a.trtype}, {"adrfam", a.adrfam}, {"traddr", a.traddr}, {"trsvcid", a.trsvcid}};
}

void add_nvmf_methods(method_table& methods, saved_config& config, nvmf_service& service) {
    add_keyring_methods(methods, config, service);
    add_nvmf_target_methods(methods, service);
    add_nvmf_transport_methods(methods, service);
    add_nvmf_subsystem_methods(methods, service);
    add_nvmf_namespace_methods(methods, service);
    add_nvmf_visibility_methods(methods, service);
    add_nvmf_qos_methods(methods, service);
    add_nvmf_access_methods(methods, service);
    add_nvmf_ana_methods(methods, service);
    add_nvmf_connection_methods(methods, service);
    add_nvmf_discovery_methods(methods, service);
    add_nvmf_config(config, service);
}

}  // namespace causeway::rpc
