// SPDX-License-Identifier: Apache-2.0
#include "tools/config_state.h"

#include "tools/config_tables.h"
#include "tools/method_help.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cctype>
#include <cstdio>
#include <fmt/format.h>

namespace causeway::tools {

namespace {

constexpr std::string_view kind_names[] = {"setting",   "key",        "transport",  "cluster",   "controller",
                                           "device",    "rate limit", "referral",   "subsystem", "host",
                                           "namespace", "viewer",     "host limit", "listener"};

std::string upper(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return text;
}

/// An IP address as gateways spell it; anything else stays as it is.
std::string normal_address(const std::string& text) {
    in6_addr six{};
    char normal[INET6_ADDRSTRLEN];
    if (::inet_pton(AF_INET6, text.c_str(), &six) == 1 && ::inet_ntop(AF_INET6, &six, normal, sizeof normal))
        return normal;
    return text;
}

/// "TCP 192.0.2.10 4420".
std::string address_name(const json& address) {
    const std::string port = text_at(address, "trsvcid");
    return fmt::format("{} {}{}{}", upper(text_at(address, "trtype")), normal_address(text_at(address, "traddr")),
                       port.empty() ? "" : " ", port);
}

std::string name_part(const json& params, std::string_view parameter) {
    const json value = value_at(params, parameter);
    if (value.is_object())
        return address_name(value);
    if (parameter == "subnqn" && text_at(params, parameter).empty())
        return std::string(discovery_nqn);
    if (parameter == "trtype")
        return upper(text_at(params, parameter));
    return value.is_string() ? value.get<std::string>() : value.dump();
}

json normal_value(std::string_view name, json value) {
    if (!value.is_string())
        return value;
    if (name.ends_with("nguid") || name.ends_with("eui64") || name == "trtype")
        return upper(value);
    return name.ends_with("uuid") ? json(in_lower_case(value)) : value;
}

/// What a method takes for granted without declaring a default, because its other callers leave it as it is.
json unsaid_default(object_kind kind, std::string_view name) {
    if (kind == object_kind::rate_limit || kind == object_kind::host_limit)
        return name == "weight" ? 1 : 0;
    return nullptr;
}

bool is_identity(const maker& m, const std::string& name) {
    return std::ranges::find(m.identity, name) != m.identity.end();
}

void flatten(const maker& m, const json& parameters, const json& values, const std::string& prefix, config_object& to) {
    for (const json& p : parameters) {
        const std::string key = p["name"], name = prefix + key;
        if (p.contains("effect") || key == "tgt_name" || is_identity(m, name))
            continue;
        const auto given = values.find(key);
        const json none = json::object();
        if (p.contains("default") && !p.contains("members"))
            to.defaults[name] = p["default"];
        if (p.contains("members")) {
            flatten(m, p["members"], given != values.end() && given->is_object() ? *given : none, name + ".", to);
        } else if (given == values.end() || given->is_null()) {
            const json usual = p.contains("default") ? p["default"] : unsaid_default(m.kind, name);
            if (!usual.is_null())
                to.settings[name] = usual;
        } else if (given->is_object()) {
            for (const auto& [inner, value] : given->items()) {
                to.settings[name + "." + inner] = value;
                to.given.insert(name + "." + inner);
            }
        } else {
            to.settings[name] = normal_value(name, *given);
            to.given.insert(name);
        }
    }
}

}  // namespace

std::string_view to_string(object_kind k) {
    return kind_names[static_cast<std::size_t>(k)];
}

std::string object_id::text() const {
    return fmt::format("{} {}", to_string(kind), name);
}

std::string in_lower_case(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

std::string normal_pci_address(const std::string& text) {
    unsigned domain = 0, bus = 0, device = 0, function = 0;
    int end = 0;
    const char* const t = text.c_str();
    if (std::sscanf(t, "%4x:%2x:%2x.%1x%n", &domain, &bus, &device, &function, &end) != 4) {
        domain = 0;
        if (std::sscanf(t, "%2x:%2x.%1x%n", &bus, &device, &function, &end) != 3)
            return text;
    }
    return t[end] == '\0' ? fmt::format("{:04x}:{:02x}:{:02x}.{:x}", domain, bus, device, function) : text;
}

const maker* find_maker(std::string_view method) {
    const auto found = std::ranges::find(makers, method, &maker::method);
    return found == std::end(makers) ? nullptr : &*found;
}

bool is_secret(std::string_view setting) {
    if (!setting.starts_with("config_param.") && !setting.starts_with("config."))
        return false;
    const std::string name = in_lower_case(std::string(setting.substr(setting.find('.') + 1)));
    return name == "key" || name.find("secret") != name.npos || name.find("pass") != name.npos;
}

std::optional<object_id> config_object::container() const {
    switch (id.kind) {
    case object_kind::host:
    case object_kind::ns:
    case object_kind::listener: return object_id{object_kind::subsystem, text_at(params, "nqn")};
    case object_kind::viewer:
    case object_kind::host_limit:
        return object_id{object_kind::ns, fmt::format("{} {}", text_at(params, "nqn"), params["nsid"].dump())};
    case object_kind::rate_limit: return object_id{object_kind::device, text_at(params, "name")};
    default: return std::nullopt;
    }
}

json value_at(const json& params, std::string_view path) {
    const json* at = &params;
    while (true) {
        const auto dot = path.find('.');
        const auto found = at->is_object() ? at->find(std::string(path.substr(0, dot))) : at->end();
        if (!at->is_object() || found == at->end())
            return nullptr;
        at = &*found;
        if (dot == path.npos)
            return *at;
        path.remove_prefix(dot + 1);
    }
}

std::string text_at(const json& params, std::string_view path) {
    const json value = value_at(params, path);
    return value.is_string() ? value.get<std::string>() : std::string();
}

object_id id_of(const maker& m, const json& params) {
    if (m.kind == object_kind::setting)
        return {m.kind, std::string(m.method)};
    if (m.method == "bdev_error_create")
        return {m.kind, "EE_" + text_at(params, "base_name")};
    std::string name;
    for (const auto parameter : m.identity)
        if (!parameter.empty())
            name += (name.empty() ? "" : " ") + name_part(params, parameter);
    return {m.kind, name};
}

void flatten(const maker& m, const json& declared, config_object& to) {
    to.settings = to.defaults = json::object();
    to.given.clear();
    flatten(m, declared["parameters"], to.params, "", to);
}

}  // namespace causeway::tools
