// SPDX-License-Identifier: Apache-2.0
#include "rpc/declaration.h"

#include <array>

namespace causeway::rpc {

namespace {

constexpr std::string_view no_effect = "no_effect";

std::string_view to_string(states s) {
    switch (s) {
    case states::startup: return "startup";
    case states::runtime: return "runtime";
    case states::any: break;
    }
    return "any";
}

std::string_view to_string(value_type::kind k) {
    constexpr std::array names = {"boolean", "number", "string", "array", "object", "any"};
    return names[static_cast<std::size_t>(k)];
}

std::string_view to_string(parameter_effect e) {
    constexpr std::array names = {"full", "one_value", "none", "refused"};
    return names[static_cast<std::size_t>(e)];
}

json to_json(const parameter_info& p) {
    json all = {{"name", p.name}, {"type", to_string(p.type.is)}, {"description", p.type.words}};
    if (p.type.is == value_type::kind::array)
        all["elements"] = to_string(p.type.elements);
    if (p.type.is == value_type::kind::number) {
        all["min"] = p.type.min;
        all["max"] = p.type.max;
    }
    if (!p.type.choices.empty())
        all["choices"] = p.type.choices;
    all["required"] = p.is_required;
    if (!p.default_value.is_null())
        all["default"] = p.default_value;
    if (p.effect != parameter_effect::full)
        all["effect"] = to_string(p.effect);
    all["meaning"] = p.meaning;
    for (const auto& m : p.members)
        all["members"].push_back(to_json(m));
    return all;
}

}  // namespace

std::string_view group_of(const method_info& m) {
    if (!m.has_effect)
        return no_effect;
    const std::string_view name = m.name;
    for (const std::string_view group : {"bdev_nvme", "bdev_rbd"})
        if (name.starts_with(group))
            return group;
    return name.substr(0, name.find('_'));
}

json to_json(const method_info& m) {
    json all = {{"name", m.name},       {"group", group_of(m)},        {"state", to_string(m.when)},
                {"summary", m.summary}, {"parameters", json::array()}, {"ignores_unknown_keys", m.ignores_unknown_keys},
                {"result", m.result},   {"errors", json::array()}};
    for (const auto& p : m.parameters)
        all["parameters"].push_back(to_json(p));
    for (const auto& e : m.errors)
        all["errors"].push_back({{"code", e.code}, {"when", e.when}});
    return all;
}

}  // namespace causeway::rpc
