// SPDX-License-Identifier: Apache-2.0
#include "gateway/config_file.h"

#include <fmt/format.h>
#include <fstream>
#include <sstream>

namespace causeway::gateway {

using rpc::config_call;
using rpc::json;

namespace {

core::result<> take_entry(const json& entry, const std::string& subsystem, const std::string& where,
                          std::vector<config_call>& calls) {
    if (entry.is_array()) {  // calls that may go together
        for (const json& e : entry)
            if (auto r = take_entry(e, subsystem, where, calls); !r)
                return r;
        return {};
    }
    const auto wrong = [&](std::string why) { return core::fail(EINVAL, std::move(why), where); };
    if (!entry.is_object())
        return wrong("an entry must be an object with a method");
    config_call call{.subsystem = subsystem, .method = {}, .params = {}, .where = where};
    for (const auto& [key, value] : entry.items()) {
        if (key == "method" && value.is_string())
            call.method = value;
        else if (key == "params" && (value.is_object() || value.is_array() || value.is_null()))
            call.params = value;
        else
            return wrong(fmt::format("'{}' must be {}", key,
                                     key == "method"   ? "a string"
                                     : key == "params" ? "an object"
                                                       : "left out: an entry has method and params"));
    }
    if (call.method.empty())
        return wrong("an entry must have a method");
    calls.push_back(std::move(call));
    return {};
}

core::result<> take_subsystem(const json& section, std::size_t number, std::vector<config_call>& calls) {
    std::string where = fmt::format("subsystem {}", number + 1);
    if (!section.is_object() || !section.contains("subsystem") || !section["subsystem"].is_string())
        return core::fail(EINVAL, "must be an object with \"subsystem\" and \"config\"", where);
    where = section["subsystem"];
    const auto config = section.find("config");
    if (config == section.end() || config->is_null())
        return {};
    if (!config->is_array())
        return core::fail(EINVAL, "\"config\" must be an array", where);
    for (std::size_t i = 0; i < config->size(); ++i)
        if (auto r = take_entry((*config)[i], where, fmt::format("{}, entry {}", where, i + 1), calls); !r)
            return r;
    return {};
}

}  // namespace

core::result<std::vector<config_call>> parse_config(std::string_view text) {
    auto parsed = rpc::parse_json(text, {.comments = true});
    if (!parsed)
        return core::fail(EINVAL, parsed.error());
    if (!parsed->duplicates.empty())
        return core::fail(EINVAL, parsed->duplicates.front() + " comes twice");
    const json& top = parsed->value;
    if (!top.is_object() || !top.contains("subsystems") || !top["subsystems"].is_array())
        return core::fail(EINVAL, "a configuration is an object with an array \"subsystems\"");
    std::vector<config_call> calls;
    const json& sections = top["subsystems"];
    for (std::size_t i = 0; i < sections.size(); ++i)
        if (auto r = take_subsystem(sections[i], i, calls); !r)
            return tl::make_unexpected(r.error());
    return calls;
}

core::result<std::vector<config_call>> read_config(const std::string& path) {
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    if (!file || !(text << file.rdbuf()))
        return core::fail_errno(errno ? errno : EIO, path);
    auto calls = parse_config(text.str());
    if (!calls)
        return core::fail(calls.error().code, calls.error().text(), path);
    return calls;
}

}  // namespace causeway::gateway
