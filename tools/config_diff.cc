// SPDX-License-Identifier: Apache-2.0
#include "tools/config_diff.h"

#include "tools/config_tables.h"

#include <algorithm>
#include <fmt/format.h>

namespace causeway::tools {

namespace {

constexpr const char* withheld = "(withheld)";

/// Left to the gateway where the wished state does not say it.
constexpr std::string_view chosen_by_gateway[] = {"uuid",           "serial_number",   "image_id",
                                                  "namespace.uuid", "namespace.nguid", "namespace.eui64"};
/// Left to the gateway where they are 0.
constexpr std::string_view zero_is_usual[] = {"namespace.anagrpid", "physical_block_size", "max_namespaces",
                                              "period_us", "timeout_admin_us"};
/// Older spellings, in which no gateway answers, and what they stand for.
constexpr std::pair<std::string_view, std::string_view> older_spellings[] = {{"max_discard_size_kib", "dmrsl"},
                                                                             {"max_write_zeroes_size_kib", "wzsl"}};

constexpr std::uint32_t automatic = 0xffffffff;  ///< of iobuf_*_cache_size

/// What a setting is while nobody has set it, where its declaration does not say so.
json usual(std::string_view name) {
    if (name == "discovery_filters")
        return json::array();
    if (name == "enable")  // of bdev_nvme_set_hotplug
        return false;
    if (name == "period_us")
        return 100000;
    if (name == "max_subsystems")
        return 1024;
    if (name == "dhchap_digests")
        return {"sha256", "sha384", "sha512"};
    if (name == "dhchap_dhgroups")
        return {"null", "ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192"};
    return nullptr;
}

template <class List>
bool is_in(const List& list, std::string_view name) {
    return std::ranges::find(list, name) != std::end(list);
}

json setting_of(const config_object& o, const std::string& name) {
    const auto found = o.settings.find(name);
    return found == o.settings.end() ? json() : *found;
}

bool is_left_to_gateway(const config_object& wished, const config_object& actual, const std::string& name) {
    const json to = setting_of(wished, name), from = setting_of(actual, name);
    const bool is_given = wished.given.contains(name);
    if (is_in(chosen_by_gateway, name) && !is_given)
        return true;
    if (is_in(zero_is_usual, name) && (to.is_null() || to == 0))
        return true;
    for (const auto& [older, newer] : older_spellings)
        if (name == older || (name == newer && wished.given.contains(std::string(older))))
            return true;
    if (from == withheld && is_secret(name))
        return true;
    // causewayd --on-fenced chooses where the file does not; the usual policy is not saved.
    if (name == "on_fenced" && (!is_given || (to == "reconnect" && from.is_null())))
        return true;
    if (wished.id.kind == object_kind::transport)  // options of another transport have no effect
        return !actual.given.contains(name) || (name.starts_with("iobuf_") && to == automatic);
    return wished.id.kind == object_kind::setting && !is_given;
}

std::vector<setting_change> compare_settings(const config_object& wished, const config_object& actual) {
    std::vector<std::string> names;
    for (const auto* o : {&wished, &actual})
        for (const auto& [name, value] : o->settings.items())
            if (!is_in(names, name))
                names.push_back(name);
    std::vector<setting_change> changes;
    for (const std::string& name : names) {
        json from = setting_of(actual, name), to = setting_of(wished, name);
        const bool is_unset = from.is_null() || !actual.given.contains(name);
        if (const json value = usual(name); is_unset && wished.id.kind == object_kind::setting && !value.is_null())
            from = value;
        if (from == to || is_left_to_gateway(wished, actual, name))
            continue;
        if (is_secret(name))
            from = from.is_null() ? from : json(withheld), to = to.is_null() ? to : json(withheld);
        changes.push_back({name, std::move(from), std::move(to)});
    }
    return changes;
}

void compare_ana_states(const config_state& w, const config_object& wished, const config_object& actual,
                        std::vector<setting_change>& changes) {
    std::erase_if(changes, [](const auto& c) { return c.name == "ana_state"; });
    std::vector<setting_change> groups;
    const std::uint32_t all = w.ana_groups(wished);
    for (std::uint32_t group = 1; group <= all; ++group) {
        const std::string from = config_state::ana_state(actual, group), to = config_state::ana_state(wished, group);
        if (from != to)
            groups.push_back({fmt::format("ana_state of group {}", group), from, to});
    }
    const bool are_alike = groups.size() == all && std::ranges::all_of(groups, [&](const auto& g) {
                               return g.from == groups[0].from && g.to == groups[0].to;
                           });
    if (are_alike)
        changes.push_back({"ana_state", groups[0].from, groups[0].to});
    else
        changes.insert(changes.end(), groups.begin(), groups.end());
}

/// A host can have the key that another file had under the same name: the keyring does not keep all.
void compare_key_files(const config_state& w, const config_object& wished, const config_state& a,
                       const config_object& actual, std::vector<setting_change>& changes) {
    for (const auto parameter : key_parameters) {
        const std::string name = text_at(wished.params, parameter);
        const bool is_borrowed = wished.borrowed_keys.contains(name) || actual.borrowed_keys.contains(name);
        if (name.empty() || !is_borrowed || text_at(actual.params, parameter) != name)
            continue;
        const std::string from = a.key_path(actual, parameter), to = w.key_path(wished, parameter);
        if (from != to)
            changes.push_back(
                {std::string(parameter), fmt::format("{} ({})", name, from), fmt::format("{} ({})", name, to)});
    }
}

bool is_startup_setting(const std::string& method) {
    return method.starts_with("nvmf_set_");
}

bool changes_live(object_kind kind, std::string_view name) {
    switch (kind) {
    case object_kind::setting:
    case object_kind::rate_limit:
    case object_kind::host_limit:
    case object_kind::referral: return true;
    case object_kind::subsystem: return name == "allow_any_host";
    case object_kind::host: return name.starts_with("dhchap_");
    case object_kind::ns: return name == "namespace.no_auto_visible" || name == "namespace.anagrpid";
    case object_kind::listener: return name.starts_with("ana_state");
    default: return false;
    }
}

change_way way_of(const config_change& c) {
    const bool is_startup = c.id.kind == object_kind::setting && is_startup_setting(c.id.name);
    if (is_startup || (c.id.kind == object_kind::transport && c.what != config_change::kind::add))
        return change_way::restart;
    if (c.id == object_id{object_kind::subsystem, std::string(discovery_nqn)} && c.what == config_change::kind::add)
        return change_way::restart;
    const auto is_live = [&](const setting_change& s) { return changes_live(c.id.kind, s.name); };
    return std::ranges::all_of(c.settings, is_live) ? change_way::live : change_way::make_again;
}

/// A setting that nobody has set has its usual values.
config_object unset(const config_object& wished) {
    config_object o = wished;
    o.settings = wished.defaults;
    o.given.clear();
    return o;
}

}  // namespace

std::vector<config_change> compare(const config_state& wished, const config_state& actual) {
    using kind = config_change::kind;
    std::vector<config_change> changes;
    const auto add = [&](config_change c) {
        c.way = way_of(c);
        const auto failed = actual.failed().find(c.id);
        if (failed != actual.failed().end())
            c.failed = failed->second.message;
        changes.push_back(std::move(c));
    };
    for (const config_object& w : wished.objects()) {
        const config_object* a = actual.find(w.id);
        const bool is_setting = w.id.kind == object_kind::setting;
        if (!a && !is_setting) {
            add({kind::add, w.id, {}, {}, {}});
            continue;
        }
        auto settings = compare_settings(w, a ? *a : unset(w));
        if (a && a->method != w.method)
            settings = {{"method", a->method, w.method}};
        if (w.id.kind == object_kind::listener)
            compare_ana_states(wished, w, *a, settings);
        if (w.id.kind == object_kind::host)
            compare_key_files(wished, w, actual, *a, settings);
        if (!settings.empty())
            add({kind::change, w.id, std::move(settings), {}, {}});
    }
    for (auto a = actual.objects().rbegin(); a != actual.objects().rend(); ++a)
        if (!wished.find(a->id) && a->id.kind != object_kind::setting)
            add({kind::remove, a->id, {}, {}, {}});
    for (const auto& [id, failed] : actual.failed())
        if (!wished.find(id) && !actual.find(id))
            add({kind::remove, id, {}, {}, {}});
    return changes;
}

std::string config_change::text() const {
    std::string line = fmt::format("{} {}", static_cast<char>(what), id.text());
    const auto shown = [](const json& value) {
        return value.is_null() ? "none" : value.is_string() ? value.get<std::string>() : value.dump();
    };
    for (const setting_change& s : settings)
        line += fmt::format("{} {} {} -> {}", &s == &settings.front() ? ":" : ",", s.name, shown(s.from), shown(s.to));
    if (!failed.empty())
        line += fmt::format(" (the gateway keeps trying: {})", failed);
    return line;
}

json to_json(const config_change& c) {
    constexpr const char* ways[] = {"live", "make_again", "restart"};
    const char* what = c.what == config_change::kind::add      ? "add"
                       : c.what == config_change::kind::remove ? "remove"
                                                               : "change";
    json settings = json::array();
    for (const setting_change& s : c.settings)
        settings.push_back({{"name", s.name}, {"from", s.from}, {"to", s.to}});
    json all = {{"change", what}, {"kind", to_string(c.id.kind)}, {"name", c.id.name}};
    if (!settings.empty())
        all["settings"] = std::move(settings);
    all["way"] = ways[static_cast<int>(c.way)];
    if (!c.failed.empty())
        all["failed"] = c.failed;
    return all;
}

}  // namespace causeway::tools
