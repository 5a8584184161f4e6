// SPDX-License-Identifier: Apache-2.0
#include "rpc/method.h"

#include <cassert>
#include <cstring>

namespace causeway::rpc {

rpc_error to_rpc_error(const core::error& e) {
    const std::string system = std::strerror(e.code);
    if (e.sentence == system)
        return {-e.code, e.about.empty() ? system : system + ": " + e.about};
    return {-e.code, system + ": " + e.text()};
}

void method_table::add_raw(std::string_view name, states when, handler call, parameter_check check) {
    methods_.push_back({name, when, std::move(call), std::move(check)});
    [[maybe_unused]] const bool is_new = by_name_.emplace(name, &methods_.back()).second;
    assert(is_new);
}

void method_table::add_alias(std::string_view alias, std::string_view name) {
    const method* of = find(name);
    assert(of);
    aliases_.push_back({alias, of});
    by_name_.emplace(alias, of);
}

const method* method_table::find(std::string_view name) const noexcept {
    const auto it = by_name_.find(name);
    return it == by_name_.end() ? nullptr : it->second;
}

std::optional<rpc_error> detail::refuse_any(const json& params) {
    if (params.is_null())
        return std::nullopt;
    std::string message = "this method takes no parameters";
    if (params.is_object() && !params.empty())
        message = "parameter '" + params.begin().key() + "' is unknown: " + message;
    return rpc_error{error_code::parameters, std::move(message)};
}

}  // namespace causeway::rpc
