// SPDX-License-Identifier: Apache-2.0
#include "nvme/nqn.h"
#include "rpc/nvmf_service.h"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>

namespace causeway::rpc {

namespace {

struct target_params {
    std::string tgt_name = target_name;
};
const declaration<> get_targets_method = {
    .name = "nvmf_get_targets",
    .summary = "Lists the targets: there is one.",
    .result = "an array of names",
};
const declaration<target_params> get_stats_method = {
    .name = "nvmf_get_stats",
    .summary = "Answers the counters of each core and transport, and of the discovery service.",
    .parameters = {tgt_name_field(&target_params::tgt_name)},
    .result =
        "`tick_rate` (per second); `poll_groups`, one for each core, with its counters and `transports`; `discovery` "
        "(`controllers`, `refused`). Latencies are sums of ticks over all commands: two answers give a mean",
};

struct max_subsystems_params {
    std::uint32_t max_subsystems = 0;
};
const declaration<max_subsystems_params> set_max_subsystems_method = {
    .name = "nvmf_set_max_subsystems",
    .when = states::startup,
    .summary = "Sets how many subsystems there may be; the discovery subsystem does not count.",
    .parameters =
        {required("max_subsystems", &max_subsystems_params::max_subsystems, "How many.").within(1, 0xffffffff)},
};

struct crdt_params {
    std::uint16_t crdt1 = 0, crdt2 = 0, crdt3 = 0;
};
const declaration<crdt_params> set_crdt_method = {
    .name = "nvmf_set_crdt",
    .when = states::startup,
    .summary = "Sets the Command Retry Delay Times that hosts are told.",
    .parameters =
        {
            optional("crdt1", &crdt_params::crdt1, "CRDT1, in 100 ms."),
            optional("crdt2", &crdt_params::crdt2, "CRDT2, in 100 ms."),
            optional("crdt3", &crdt_params::crdt3, "CRDT3, in 100 ms."),
        },
};

constexpr std::uint64_t any_number = 0xffffffff;
const declaration<nvmf::discovery_limits> set_discovery_limits_method = {
    .name = "nvmf_set_discovery_limits",
    .when = states::startup,
    .summary = "Limits how many discovery controllers there may be at a time; nvmf_get_stats counts who was refused.",
    .parameters =
        {
            optional("max_controllers", &nvmf::discovery_limits::controllers, "Of all hosts.").within(1, any_number),
            optional("max_per_address", &nvmf::discovery_limits::per_address, "From one address.")
                .within(1, any_number),
            optional("max_per_host", &nvmf::discovery_limits::per_host, "Of one host NQN from one address.")
                .within(1, any_number),
        },
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

/// An NVMe qualified name.
struct nqn_text {
    std::string value;
};

enum class dup_host_policy { allow };
struct config_params {
    dup_host_policy duplicates{};
    std::optional<filter_text> filter;
    std::optional<filter_list> filters;
    nvmf::auth_algorithms auth{{}, {}};     ///< empty: not given
    std::optional<nqn_text> discovery_nqn;  ///< the well-known one: none of its own
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
    static value_type type() {
        return {.is = value_type::kind::string, .words = "string", .example = "match_any", .choices = {}};
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
    static value_type type() { return detail::array_of(detail::choice_type({"transport", "address", "svcid"})); }
};

template <>
struct value_reader<nqn_text> {
    static complaint read(const json& v, nqn_text& to) {
        if (!v.is_string() || !nvme::valid_nqn(v.get_ref<const std::string&>()))
            return "must be an NVMe qualified name of at most 223 bytes, such as 'nqn.2024-01.com.example:discovery'";
        to.value = v.get<std::string>();
        return {};
    }
    static value_type type() {
        return {.is = value_type::kind::string,
                .words = "string",
                .example = "nqn.2024-01.com.example:discovery",
                .choices = {}};
    }
};

/// Commands that SPDK would hand to a device as they come.
struct passed_through {};
template <>
struct value_reader<passed_through> {
    static complaint read(const json& v, passed_through&) {
        if (!v.is_object())
            return "must be an object of true and false";
        for (const auto& [command, passes] : v.items())
            if (passes != false)
                return "must be false throughout: commands are not passed through to devices, '" + command + "' too";
        return {};
    }
    static value_type type() {
        return {.is = value_type::kind::object, .words = "object of false", .example = json::object(), .choices = {}};
    }
};

namespace {

/// Names of algorithms, out of `all`.
template <class T, class All>
field<config_params> algorithms(std::string_view name, std::vector<T> nvmf::auth_algorithms::*member, const All& all,
                                std::string_view meaning) {
    return {name, false,
            [name, member, &all](const json& v, config_params& p) -> std::optional<field_problem> {
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
            },
            [name, &all, meaning] {
                std::vector<std::string_view> names;
                for (const T a : all)
                    names.push_back(auth::to_string(a));
                parameter_info info;
                info.name = name;
                info.type = detail::array_of(detail::choice_type(names));
                info.meaning = meaning;
                return info;
            }};
}

const declaration<config_params> set_config_method = {
    .name = "nvmf_set_config",
    .when = states::startup,
    .summary = "Sets what the discovery log leaves out, by which name hosts know the discovery subsystem and by which "
               "algorithms hosts authenticate; what is left out stays.",
    .parameters =
        {
            ignored<config_params, passed_through>("admin_cmd_passthru",
                                                   "commands are not passed through: every member must be false"),
            unsupported<config_params>("poll_groups_mask", "queue pairs live on every core"),
            optional("discovery_filter", &config_params::filter,
                     "The older spelling: `match_any`, or names with commas."),
            optional("discovery_filters", &config_params::filters,
                     "A host is told only of listeners of the same `transport`, `address` or `svcid` as it asks at."),
            optional("discovery_nqn", &config_params::discovery_nqn,
                     "A name of the discovery subsystem that no other one has (TP 8013): Identify and the discovery "
                     "log say it, and hosts connect by it or by `nqn.2014-08.org.nvmexpress.discovery`, which is the "
                     "only one by default. Methods know the subsystem by the latter."),
            algorithms("dhchap_digests", &nvmf::auth_algorithms::digests, auth::all_hashes,
                       "Hashes of DH-HMAC-CHAP, the best first; by default all."),
            algorithms("dhchap_dhgroups", &nvmf::auth_algorithms::dhgroups, auth::all_dhgroups,
                       "Groups of DH-HMAC-CHAP, the best first; by default all."),
            optional("dup_host_policy", &config_params::duplicates, {{"allow", dup_host_policy::allow}},
                     "Whether a host may connect several times; it may."),
        },
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
    methods.add(get_targets_method, [] { return answer(json::array({target_name})); });
    methods.add(get_stats_method, [&service](const target_params& p) { return get_stats(service, p); });
    methods.add(set_max_subsystems_method, [&service](const max_subsystems_params& p) -> answer {
        service.options.max_subsystems = p.max_subsystems;
        return ok();
    });
    methods.add(set_crdt_method, [&service](const crdt_params& p) -> answer {
        service.options.crdt[0] = p.crdt1;
        service.options.crdt[1] = p.crdt2;
        service.options.crdt[2] = p.crdt3;
        return ok();
    });
    methods.add(set_discovery_limits_method, [&service](const nvmf::discovery_limits& p) -> answer {
        service.options.discovery = p;
        return ok();
    });
    methods.add(set_config_method, [&service](const config_params& p) -> answer {
        if (p.filter && p.filters)
            return refuse_parameters("give 'discovery_filter' or 'discovery_filters', not both");
        if (p.filter)
            service.options.filter = p.filter->value;
        if (p.filters)
            service.options.filter = p.filters->value;
        if (p.discovery_nqn)
            service.options.discovery_nqn = p.discovery_nqn->value == nvme::discovery_nqn ? "" : p.discovery_nqn->value;
        if (!p.auth.digests.empty())
            service.options.auth.digests = p.auth.digests;
        if (!p.auth.dhgroups.empty())
            service.options.auth.dhgroups = p.auth.dhgroups;
        return ok();
    });
}

}  // namespace causeway::rpc
