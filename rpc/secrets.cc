// SPDX-License-Identifier: Apache-2.0
#include "rpc/secrets.h"

#include "core/log.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace causeway::rpc {

namespace {

/// As librados reads a setting's name: " key" and "mon host" are "key" and "mon_host".
std::string normal_name(std::string_view name) {
    const auto is_space = [](unsigned char c) { return std::isspace(c) != 0; };
    const auto begin = std::ranges::find_if_not(name, is_space);
    const auto end = std::find_if_not(name.rbegin(), std::make_reverse_iterator(begin), is_space).base();
    std::string normal(begin, end);
    std::ranges::replace_if(normal, is_space, '_');
    return normal;
}

constexpr std::string_view settings_of_a_client[] = {"config_param", "config"};

}  // namespace

bool is_secret_setting(std::string_view name) {
    const std::string normal = normal_name(name);
    constexpr std::string_view parts[] = {"password", "passphrase", "secret"};
    return normal == "key" ||
           std::ranges::any_of(parts, [&](std::string_view part) { return normal.find(part) != std::string::npos; });
}

json shown_settings(const std::map<std::string, std::string>& settings) {
    json shown = json::object();
    for (const auto& [name, value] : settings)
        shown[name] = is_secret_setting(name) ? std::string(withheld) : value;
    return shown;
}

json without_secrets(json params) {
    if (!params.is_object())
        return params;
    for (const auto name : settings_of_a_client) {
        const auto settings = params.find(name);
        if (settings == params.end() || !settings->is_object())
            continue;
        for (auto& [setting, value] : settings->items())
            if (is_secret_setting(setting))
                value = withheld;
    }
    return params;
}

std::optional<rpc_error> check_secrets(const std::map<std::string, std::string>& settings, const std::string& about) {
    for (const auto& [name, value] : settings) {
        if (!is_secret_setting(name))
            continue;
        if (value == withheld)
            return rpc_error{error_code::parameters,
                             about + ": the secret setting '" + name +
                                 "' is not saved: write the key into a keyring file and name it by 'key_file' or the "
                                 "setting 'keyring'"};
        core::log::warning("{}: the setting '{}' is a secret and will not be saved: name a keyring file instead, by "
                           "'key_file' or the setting 'keyring'",
                           about, name);
    }
    return std::nullopt;
}

}  // namespace causeway::rpc
