// SPDX-License-Identifier: Apache-2.0
#include "rpc/nvmf_service.h"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>

namespace causeway::rpc {

namespace {

struct target_params {
    std::string tgt_name = target_name;
};
const fields<target_params> target_fields = {optional("tgt_name", &target_params::tgt_name)};

struct max_subsystems_params {
    std::uint32_t max_subsystems = 0;
};
const fields<max_subsystems_params> max_subsystems_fields = {
    required("max_subsystems", &max_subsystems_params::max_subsystems)};

struct crdt_params {
    std::uint16_t crdt1 = 0, crdt2 = 0, crdt3 = 0;
};
const fields<crdt_params> crdt_fields = {
    optional("crdt1", &crdt_params::crdt1),
    optional("crdt2", &crdt_params::crdt2),
    optional("crdt3", &crdt_params::crdt3),
};

const fields<nvmf::discovery_limits> discovery_limits_fields = {
    optional("max_controllers", &nvmf::discovery_limits::controllers),
    optional("max_per_address", &nvmf::discovery_limits::per_address),
    optional("max_per_host", &nvmf::discovery_limits::per_host),
};

/// A name of a filter. False: there is no such filter.
bool add_filter(std::string_view name, nvmf::discovery_filter& to) {
    if (name == "transport")
        to.transport = true;
    else if (name == "address")
        to.address = true;
    else if (name == "svcid")
        to.service = true;
    else
        return false;
    return true;
}

constexpr const char* filter_names = "'transport', 'address' and 'svcid'";

/// "match_any", or names with commas between them.
struct filter_text {
    nvmf::discovery_filter value;
};
/// An array of names.
struct filter_list {
    nvmf::discovery_filter value;
};

enum class dup_host_policy { allow };
struct config_params {
    dup_host_policy duplicates{};
    std::optional<filter_text> filter;
    std::optional<filter_list> filters;
    nvmf::auth_algorithms auth{{}, {}};  ///< empty: not given
};

}  // namespace

template <>
struct value_reader<filter_text> {
    static complaint read(const json& v, filter_text& to) {
        const std::string wrong = fmt::format("must be 'match_any', or {} with commas between them", filter_names);
        if (!v.is_string())
            return wrong;
        std::string_view rest = v.get_ref<const std::string&>();
        if (rest == "match_any")
            return {};
        for (;;) {
            const std::size_t comma = rest.find(',');
            if (!add_filter(rest.substr(0, comma), to.value))
                return wrong;
            if (comma == std::string_view::npos)
                return {};
            rest.remove_prefix(comma + 1);
        }
    }
};

template <>
struct value_reader<filter_list> {
    static complaint read(const json& v, filter_list& to) {
        const std::string wrong = fmt::format("must be a list of {}", filter_names);
        if (!v.is_array())
            return wrong;
        for (const json& name : v)
            if (!name.is_string() || !add_filter(name.get_ref<const std::string&>(), to.value))
                return wrong;
        return {};
    }
};

namespace {

/// Names of algorithms, out of `all`.
template <class T, class All>
field<config_params> algorithms(std::string_view name, std::vector<T> nvmf::auth_algorithms::*member, const All& all) {
    return {name, false, [name, member, &all](const json& v, config_params& p) -> std::optional<field_problem> {
                std::vector<std::string> names;
                if (auto wrong = value_reader<std::vector<std::string>>::read(v, names); !wrong.empty())
                    return field_problem{std::string(name), std::move(wrong)};
                if (names.empty())
                    return field_problem{std::string(name), "must name at least one: no host could authenticate"};
                auto& chosen = p.auth.*member;
                chosen.clear();
                for (const std::string& n : names) {
                    const auto found = std::ranges::find_if(all, [&](T a) { return auth::to_string(a) == n; });
                    if (found == std::end(all))
                        return field_problem{std::string(name), "does not know '" + n + "'"};
                    chosen.push_back(*found);
                }
                return std::nullopt;
            }};
}

const fields<config_params> config_fields = {
    unsupported<config_params>("admin_cmd_passthru", "commands are not passed through to devices"),
    unsupported<config_params>("poll_groups_mask", "queue pairs live on every core"),
    optional("discovery_filter", &config_params::filter),
    optional("discovery_filters", &config_params::filters),
    algorithms("dhchap_digests", &nvmf::auth_algorithms::digests, auth::all_hashes),
    algorithms("dhchap_dhgroups", &nvmf::auth_algorithms::dhgroups, auth::all_dhgroups),
    optional("dup_host_policy", &config_params::duplicates, {{"allow", dup_host_policy::allow}}),
};

void add_counters(json& to, const core::counter_group& from, std::size_t core) {
    for (const core::metric& m : from.rows())
        if (!m.json_name.empty())
            to[std::string(m.json_name)] = from.value(m, core);
}

json transport_stats(const nvmf::target& target, const nvmf::transport& t, std::size_t core) {
    json all = {{"trtype", t.trtype()}, {"pending_data_buffer", t.pending_data_buffers(core)}};
    json devices = json::array();
    target.counter_list().visit("transport", [&](const core::counter_group& g) {
        if (g.label("transport") != t.trtype() || !g.has(core))
            return;
        const auto name = g.label("device");
        auto device = std::ranges::find_if(devices, [&](const json& d) { return d["name"] == name; });
        if (device == devices.end()) {
            devices.push_back({{"name", name}});
            device = std::prev(devices.end());
        }
        add_counters(*device, g, core);
    });
    if (!devices.empty())
        all["devices"] = std::move(devices);
    return all;
}

json poll_group_stats(const nvmf::target& target, std::size_t core) {
    json all = {{"name", fmt::format("nvmf_tgt_poll_group_{:03}", core)}};
    target.counter_list().visit("nvmf", [&](const core::counter_group& g) { add_counters(all, g, core); });
    json transports = json::array();
    for (const auto& t : target.transports())
        transports.push_back(transport_stats(target, *t, core));
    all["transports"] = std::move(transports);
    return all;
}

answer get_stats(const nvmf_service& service, const target_params& p) {
    const auto target = find_target(service, p.tgt_name);
    if (!target)
        return tl::make_unexpected(target.error());
    auto& group = (*target)->group();
    json groups = json::array();
    for (std::size_t core = 0; core < group.size(); ++core)
        groups.push_back(poll_group_stats(**target, core));
    const nvmf::discovery_log& discovery = (*target)->discovery_log();
    return json{{"tick_rate", group.time().per_second()},
                {"poll_groups", std::move(groups)},
                {"discovery", {{"controllers", discovery.controllers()}, {"refused", discovery.refused()}}}};
}

}  // namespace

void add_nvmf_target_methods(method_table& methods, nvmf_service& service) {
    methods.add("nvmf_get_targets", states::runtime, [] { return answer(json::array({target_name})); });
    methods.add("nvmf_get_stats", states::runtime, target_fields,
                [&service](const target_params& p) { return get_stats(service, p); });
    methods.add("nvmf_set_max_subsystems", states::startup, max_subsystems_fields,
                [&service](const max_subsystems_params& p) -> answer {
                    if (p.max_subsystems == 0)
                        return refuse_parameters("parameter 'max_subsystems' must be at least 1");
                    service.options.max_subsystems = p.max_subsystems;
                    return ok();
                });
    methods.add("nvmf_set_crdt", states::startup, crdt_fields, [&service](const crdt_params& p) -> answer {
        service.options.crdt[0] = p.crdt1;
        service.options.crdt[1] = p.crdt2;
        service.options.crdt[2] = p.crdt3;
        return ok();
    });
    methods.add("nvmf_set_discovery_limits", states::startup, discovery_limits_fields,
                [&service](const nvmf::discovery_limits& p) -> answer {
                    if (p.controllers == 0 || p.per_address == 0 || p.per_host == 0)
                        return refuse_parameters("a limit must be at least 1");
                    service.options.discovery = p;
                    return ok();
                });
    methods.add("nvmf_set_config", states::startup, config_fields, [&service](const config_params& p) -> answer {
        if (p.filter && p.filters)
            return refuse_parameters("give 'discovery_filter' or 'discovery_filters', not both");
        if (p.filter)
            service.options.filter = p.filter->value;
        if (p.filters)
            service.options.filter = p.filters->value;
        if (!p.auth.digests.empty())
            service.options.auth.digests = p.auth.digests;
        if (!p.auth.dhgroups.empty())
            service.options.auth.dhgroups = p.auth.dhgroups;
        return ok();
    });
}

}  // namespace causeway::rpc
