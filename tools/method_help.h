// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace causeway::tools {

using json = nlohmann::ordered_json;

/// What this version's rpc_get_method_help answers: docs/rpc.json, compiled in. So help needs no gateway.
const json& all_method_help();

/// The declaration of a method among `all`; nullptr: there is none of that name.
const json* find_method(const json& all, std::string_view name);

/// " (did you mean 'nvmf_get_stats'?)", or nothing.
std::string meant_method(const json& all, std::string_view name);

/// All methods, by group, each with its sentence.
std::string method_list(const json& all);
/// What there is to know about a method.
std::string method_text(const json& method);

/// A text of JSON; an empty one is null. EINVAL, with a sentence for people.
core::result<json> parse_json(const std::string& text);

/// The parameters of a call, as a command line has them: one text of JSON, or any number of `key=value`,
/// `object.key=value` and `list=a,b`, whose types are those of `method` (nullptr: not known, then only JSON). EINVAL,
/// with a sentence for people.
core::result<json> parse_parameters(const json* method, std::span<const std::string> arguments);

}  // namespace causeway::tools
