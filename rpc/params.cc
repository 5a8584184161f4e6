// SPDX-License-Identifier: Apache-2.0
#include "rpc/params.h"

#include "core/log.h"
#include "core/nearest_name.h"

#include <algorithm>
#include <fmt/format.h>

namespace causeway::rpc {

complaint value_reader<bool>::read(const json& v, bool& to) {
    if (!v.is_boolean())
        return "must be true or false";
    to = v.get<bool>();
    return {};
}

complaint value_reader<std::string>::read(const json& v, std::string& to) {
    if (!v.is_string())
        return "must be a string";
    to = v.get_ref<const std::string&>();
    // Names end up in C interfaces, where it would silently end the string.
    if (to.find('\0') != std::string::npos)
        return "must not contain a NUL character";
    return {};
}

value_type value_reader<bool>::type() {
    return {.is = value_type::kind::boolean, .words = "true or false", .example = true, .choices = {}};
}

value_type value_reader<std::string>::type() {
    return {.is = value_type::kind::string, .words = "string", .example = "x", .choices = {}};
}

value_type value_reader<json>::type() {
    return {.is = value_type::kind::any, .words = "any value", .example = nullptr, .choices = {}};
}

complaint detail::read_unsigned(const json& v, std::uint64_t most, std::uint64_t& to) {
    if (!is_within(v, 0, most))
        return must_be_within(0, most);
    to = v.get<std::uint64_t>();
    return {};
}

complaint detail::read_signed(const json& v, std::int64_t least, std::int64_t most, std::int64_t& to) {
    if (!is_within(v, least, static_cast<std::uint64_t>(most)))
        return must_be_within(least, static_cast<std::uint64_t>(most));
    to = v.get<std::int64_t>();
    return {};
}

complaint detail::must_be_within(std::int64_t min, std::uint64_t max) {
    return fmt::format("must be a whole number from {} to {}", min, max);
}

bool detail::is_within(const json& v, std::int64_t min, std::uint64_t max) noexcept {
    if (!v.is_number_integer())
        return false;
    if (!v.is_number_unsigned() && v.get<std::int64_t>() < 0)
        return v.get<std::int64_t>() >= min;
    return v.get<std::uint64_t>() <= max && (min <= 0 || v.get<std::uint64_t>() >= static_cast<std::uint64_t>(min));
}

value_type detail::number_type(std::int64_t min, std::uint64_t max) {
    return {.is = value_type::kind::number,
            .words = "number",
            .example = min > 0 ? min : 0,
            .choices = {},
            .min = min,
            .max = max};
}

value_type detail::array_of(const value_type& element) {
    return {.is = value_type::kind::array,
            .words = "array of " + element.words + "s",
            .example = json::array({element.example}),
            .choices = element.choices,
            .elements = element.is};
}

value_type detail::choice_type(const std::vector<std::string_view>& names) {
    return {.is = value_type::kind::string,
            .words = "string",
            .example = names.front(),
            .choices = {names.begin(), names.end()}};
}

value_type detail::object_type(const std::vector<parameter_info>& members) {
    value_type type{.is = value_type::kind::object, .words = "object", .example = json::object(), .choices = {}};
    for (const auto& m : members)
        if (m.is_required)
            type.example[m.name] = m.type.example;
    return type;
}

complaint detail::must_be_one_of(const std::vector<std::string_view>& names) {
    return fmt::format("must be one of: {}", fmt::join(names, ", "));
}

complaint detail::not_known(std::string_view key, const std::vector<std::string_view>& declared) {
    const std::string_view nearest = core::nearest_name(key, declared);
    if (!nearest.empty())
        return fmt::format("is unknown; did you mean '{}'?", nearest);
    return "is unknown";
}

void detail::log_ignored(std::string_view method, const std::vector<std::string_view>& keys) {
    constexpr std::size_t max_named = 8;
    const std::vector<std::string_view> named(keys.begin(), keys.begin() + std::min(keys.size(), max_named));
    core::log::warning("{}: ignoring unknown parameters: {}{}", method, fmt::join(named, ", "),
                       keys.size() > max_named ? fmt::format(" and {} more", keys.size() - max_named) : "");
}

}  // namespace causeway::rpc
