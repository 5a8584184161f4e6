// SPDX-License-Identifier: Apache-2.0
#include "tools/method_help.h"

#include "core/nearest_name.h"
#include "tools/method_help_data.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <vector>

namespace causeway::tools {

namespace {

std::string text_of(const json& object, const char* key) {
    const auto it = object.find(key);
    return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::vector<std::string_view> names_of(const json& list) {
    std::vector<std::string_view> names;
    for (const json& one : list)
        names.push_back(one["name"].get_ref<const std::string&>());
    return names;
}

/// Breaks a text into lines of at most 100 columns.
std::string wrapped(std::string_view text, std::size_t indent) {
    constexpr std::size_t columns = 100;
    std::string lines(indent, ' ');
    std::size_t used = indent;
    while (!text.empty()) {
        const std::string_view word = text.substr(0, text.find(' '));
        if (used > indent && used + 1 + word.size() > columns) {
            lines += '\n' + std::string(indent, ' ');
            used = indent;
        }
        if (used > indent) {
            lines += ' ';
            ++used;
        }
        lines += word;
        used += word.size();
        text.remove_prefix(std::min(text.size(), word.size() + 1));
    }
    return lines + '\n';
}

std::string group_title(std::string_view group) {
    constexpr std::pair<std::string_view, std::string_view> titles[] = {
        {"nvmf", "Subsystems, hosts, listeners, transports"},
        {"bdev", "Devices"},
        {"bdev_rbd", "RBD images and Ceph clusters"},
        {"bdev_nvme", "Local SSDs"},
        {"keyring", "Keys"},
        {"framework", "The gateway and its configuration"},
        {"thread", "Cores"},
        {"log", "The log"},
        {"rpc", "Methods"},
        {"spdk", "The process"},
        {"no_effect", "Accepted for SPDK's clients, without effect here"},
    };
    for (const auto& [name, title] : titles)
        if (name == group)
            return std::string(title);
    return std::string(group);
}

/// "number, 1 to 65535, default 128".
std::string type_text(const json& p) {
    std::string text = text_of(p, "description");
    if (p.contains("min"))
        text += fmt::format(", {} to {}", p["min"].dump(), p["max"].dump());
    if (p.contains("choices")) {
        std::vector<std::string> choices = p["choices"];
        text += fmt::format(": {}", fmt::join(choices, ", "));
    }
    if (p.contains("effect") && p["effect"] == "one_value")
        return fmt::format("only {}", p["default"].dump());
    if (p["required"] == true)
        text += "; required";
    else if (p.contains("default"))
        text += fmt::format("; default {}", p["default"].is_string() ? text_of(p, "default") : p["default"].dump());
    return text;
}

void add_parameters(const json& list, const std::string& prefix, std::string& text) {
    for (const json& p : list) {
        if (p.contains("effect"))
            continue;
        const std::string name = prefix + text_of(p, "name");
        text += fmt::format("  {} ({})\n", name, type_text(p)) + wrapped(text_of(p, "meaning"), 6);
        if (p.contains("members"))
            add_parameters(p["members"], name + ".", text);
    }
}

/// What can be left out for good comes last, and short.
std::string without_effect(const json& list) {
    std::vector<std::string> names;
    for (const json& p : list)
        if (p.contains("effect"))
            names.push_back(text_of(p, "name") + (p["effect"] == "refused"     ? " (refused)"
                                                  : p["effect"] == "one_value" ? " (" + type_text(p) + ")"
                                                                               : ""));
    return names.empty() ? "" : "Without effect here:\n" + wrapped(fmt::format("{}", fmt::join(names, ", ")), 2);
}

// ---- Parameters of a command line.

core::result<json> not_json(const std::string& text, std::size_t at, const std::string& why) {
    std::size_t line = 1, column = 1;
    for (std::size_t i = 0; i + 1 < at && i < text.size(); ++i) {
        column = text[i] == '\n' ? 1 : column + 1;
        line += text[i] == '\n';
    }
    return core::fail(EINVAL, fmt::format("the parameters are not JSON: line {}, column {}: {}", line, column, why));
}

core::result<json> scalar(const std::string& type, const std::string& text, const std::string& key) {
    if (type == "string")
        return json(text);
    const json value = json::parse(text, nullptr, false);
    if (type == "boolean" && !value.is_boolean())
        return core::fail(EINVAL, fmt::format("'{}' must be true or false, not '{}'", key, text));
    if (type == "number" && !value.is_number())
        return core::fail(EINVAL, fmt::format("'{}' must be a number, not '{}'", key, text));
    return value.is_discarded() ? json(text) : value;  // of any type: what it looks like
}

core::result<json> list_of(const std::string& elements, std::string_view text, const std::string& key) {
    json list = json::array();
    while (!text.empty()) {
        const std::size_t comma = text.find(',');
        auto element = scalar(elements, std::string(text.substr(0, comma)), key);
        if (!element)
            return element;
        list.push_back(std::move(*element));
        text.remove_prefix(std::min(text.size(), comma == text.npos ? comma : comma + 1));
    }
    return list;
}

core::result<json> value_of(const json& p, const std::string& text, const std::string& key) {
    const std::string type = text_of(p, "type");
    if ((type == "object" || type == "array" || type == "any") && (text.starts_with('{') || text.starts_with('[')))
        return parse_json(text);
    if (type == "object")
        return core::fail(EINVAL, fmt::format("'{}' is an object: give {}.KEY=VALUE, or JSON", key, key));
    if (type == "array")
        return list_of(text_of(p, "elements"), text, key);
    return scalar(type, text, key);
}

core::result<> unknown_key(const json& among, const std::string& key, const std::string& method) {
    const std::string_view meant = core::nearest_name(key, names_of(among));
    return core::fail(EINVAL, meant.empty()
                                  ? fmt::format("'{}' is not a parameter: see causeway rpc {} --help", key, method)
                                  : fmt::format("'{}' is not a parameter: did you mean '{}'?", key, meant));
}

core::result<> add_argument(const json& method, const std::string& argument, json& params) {
    const std::size_t equals = argument.find('=');
    if (equals == argument.npos || equals == 0)
        return core::fail(EINVAL, fmt::format("'{}' is not of the form KEY=VALUE, nor JSON", argument));
    const std::string key = argument.substr(0, equals), value = argument.substr(equals + 1);
    const json* among = &method["parameters"];
    json* to = &params;
    for (std::string rest = key;;) {
        const std::size_t dot = rest.find('.');
        const std::string name = rest.substr(0, dot);
        const auto p = std::ranges::find(*among, name, [](const json& one) { return text_of(one, "name"); });
        if (p == among->end())
            return unknown_key(*among, name, text_of(method, "name"));
        if (dot == rest.npos) {
            auto typed = value_of(*p, value, key);
            if (!typed)
                return tl::make_unexpected(typed.error());
            (*to)[name] = std::move(*typed);
            return {};
        }
        to = &(*to)[name];
        rest.erase(0, dot + 1);
        if (!p->contains("members")) {  // an object of strings, with whichever keys
            (*to)[rest] = value;
            return {};
        }
        among = &(*p)["members"];
    }
}

}  // namespace

const json& all_method_help() {
    static const json all = json::parse(method_help_data);
    return all;
}

const json* find_method(const json& all, std::string_view name) {
    const auto found = std::ranges::find(
        all, name, [](const json& m) -> std::string_view { return m["name"].get_ref<const std::string&>(); });
    return found == all.end() ? nullptr : &*found;
}

std::string meant_method(const json& all, std::string_view name) {
    const std::string_view meant = core::nearest_name(name, names_of(all));
    return meant.empty() ? "" : fmt::format(" (did you mean '{}'?)", meant);
}

std::string method_list(const json& all) {
    std::vector<std::string> groups;
    std::size_t longest = 0;
    for (const json& m : all) {
        if (std::ranges::find(groups, text_of(m, "group")) == groups.end())
            groups.push_back(text_of(m, "group"));
        longest = std::max(longest, text_of(m, "name").size());
    }
    std::ranges::stable_partition(groups, [](const std::string& g) { return g != "no_effect"; });
    std::string text;
    for (const std::string& group : groups) {
        text += fmt::format("{}{}:\n", text.empty() ? "" : "\n", group_title(group));
        for (const json& m : all)
            if (text_of(m, "group") == group)
                text += fmt::format("  {:<{}}  {}\n", text_of(m, "name"), longest, text_of(m, "summary"));
    }
    return text;
}

std::string method_text(const json& m) {
    std::string text = text_of(m, "name") + "\n" + wrapped(text_of(m, "summary"), 2);
    const std::string state = text_of(m, "state");
    if (state == "startup")
        text += "  Only before the start (--wait-for-rpc).\n";
    const json& parameters = m["parameters"];
    std::string own;
    add_parameters(parameters, "", own);
    text += own.empty() ? "" : "Parameters:\n" + own;
    text += without_effect(parameters);
    if (m["ignores_unknown_keys"] == true)
        text += "Other parameters are ignored, and logged.\n";
    text += "Result:\n" + wrapped(text_of(m, "result"), 2);
    if (!m["errors"].empty())
        text += "Errors:\n";
    for (const json& e : m["errors"])
        text += wrapped(fmt::format("{}: {}", e["code"].dump(), text_of(e, "when")), 2);
    return text;
}

core::result<json> parse_json(const std::string& text) {
    if (text.find_first_not_of(" \t\r\n") == text.npos)
        return json();
    try {
        return json::parse(text);
    } catch (const json::parse_error& e) {
        if (e.byte > text.size())
            return not_json(text, e.byte, "it ends too early: a bracket or a quote is not closed");
        const char c = text[e.byte - 1];
        const auto is_of_word = [](char w) { return std::isalnum(static_cast<unsigned char>(w)) || w == '_'; };
        const bool is_bare = is_of_word(c) || c == '\'';
        std::size_t at = e.byte;
        while (is_bare && at > 1 && is_of_word(text[at - 2]))  // the parser may have read a part of the word
            --at;
        return not_json(text, at,
                        is_bare
                            ? "keys and strings stand in double quotes"
                            : fmt::format("'{}' does not belong there: a comma, a colon or a quote may be missing", c));
    }
}

core::result<json> parse_parameters(const json* method, std::span<const std::string> arguments) {
    if (arguments.empty())
        return json();
    const auto begins_json = [](const std::string& text) {
        const std::size_t first = text.find_first_not_of(" \t\n");
        return first != text.npos && (text[first] == '{' || text[first] == '[');
    };
    if (arguments.size() == 1 && (begins_json(arguments[0]) || !method))
        return parse_json(arguments[0]);
    if (!method)
        return core::fail(EINVAL, "the parameters of this method are not known here: give them as JSON");
    json params = json::object();
    for (const std::string& argument : arguments)
        if (auto added = add_argument(*method, argument, params); !added)
            return tl::make_unexpected(added.error());
    return params;
}

}  // namespace causeway::tools
