// SPDX-License-Identifier: Apache-2.0
#include "rpc/method.h"

#include "core/nearest_name.h"

#include <cassert>
#include <cerrno>
#include <cstring>

namespace causeway::rpc {

namespace {

/// Whether a sentence says what the operating system's text for the code says: nothing is said twice.
bool says_it_too(int code, std::string_view sentence) {
    switch (code) {
    case ENODEV:
    case ENOENT: return sentence.starts_with("no ") || sentence.find("no such") != std::string_view::npos;
    case EEXIST: return true;  // they say what exists
    default: return false;
    }
}

}  // namespace

rpc_error to_rpc_error(const core::error& e) {
    const std::string system = std::strerror(e.code);
    if (e.sentence == system)
        return {-e.code, e.about.empty() ? system : system + ": " + e.about};
    return {-e.code, says_it_too(e.code, e.sentence) ? e.text() : system + ": " + e.text()};
}

void method_table::add_raw(method m) {
    methods_.push_back(std::move(m));
    [[maybe_unused]] const bool is_new = by_name_.emplace(methods_.back().name, &methods_.back()).second;
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

std::string_view method_table::nearest(std::string_view name) const {
    std::vector<std::string_view> names;
    for (const auto& [known, m] : by_name_)
        names.push_back(known);
    return core::nearest_name(name, names);
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
