// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace causeway::tools {

using json = nlohmann::ordered_json;

/// A shorter name of a method: `causeway subsystem add` is `causeway rpc nvmf_create_subsystem`.
struct verb {
    std::string_view noun, name, method;
};

/// The nouns, in the order in which they are listed.
std::vector<std::string_view> nouns();
/// nullptr: the noun has no such verb.
const verb* find_verb(std::string_view noun, std::string_view name);
/// The verbs of a noun with their methods' sentences. `help`: the declarations of methods.
std::string verb_list(std::string_view noun, const json& help);

}  // namespace causeway::tools
