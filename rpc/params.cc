// SPDX-License-Identifier: Apache-2.0
#include "rpc/params.h"

#include "core/log.h"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>

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

complaint detail::read_unsigned(const json& v, std::uint64_t most, std::uint64_t& to) {
    if (!v.is_number_unsigned() || v.get<std::uint64_t>() > most)
        return fmt::format("must be a whole number from 0 to {}", most);
    to = v.get<std::uint64_t>();
    return {};
}

complaint detail::read_signed(const json& v, std::int64_t least, std::int64_t most, std::int64_t& to) {
    const bool fits = v.is_number_unsigned()
                          ? v.get<std::uint64_t>() <= static_cast<std::uint64_t>(most)
                          : v.is_number_integer() && v.get<std::int64_t>() >= least && v.get<std::int64_t>() <= most;
    if (!fits)
        return fmt::format("must be a whole number from {} to {}", least, most);
    to = v.get<std::int64_t>();
    return {};
}

complaint detail::must_be_one_of(const std::vector<std::string_view>& names) {
    return fmt::format("must be one of: {}", fmt::join(names, ", "));
}

namespace {

/// How many characters must be inserted, deleted or replaced to make one text of the other.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);  // from what has been seen of `a` to each beginning of `b`
    std::iota(row.begin(), row.end(), 0u);
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
        }
    }
    return row.back();
}

}  // namespace

complaint detail::not_known(std::string_view key, const std::vector<std::string_view>& declared) {
    constexpr std::size_t max_typos = 2;
    constexpr std::size_t longest_name = 64;  // a client may send a key of any length
    const auto typos = [&](std::string_view name) { return edit_distance(key, name); };
    if (key.size() <= longest_name && key.size() > max_typos) {
        const auto nearest = std::ranges::min_element(declared, {}, typos);
        if (nearest != declared.end() && typos(*nearest) <= max_typos)
            return fmt::format("is unknown; did you mean '{}'?", *nearest);
    }
    return "is unknown";
}

void detail::log_ignored(std::string_view method, const std::vector<std::string_view>& keys) {
    constexpr std::size_t max_named = 8;
    const std::vector<std::string_view> named(keys.begin(), keys.begin() + std::min(keys.size(), max_named));
    core::log::warning("{}: ignoring unknown parameters: {}{}", method, fmt::join(named, ", "),
                       keys.size() > max_named ? fmt::format(" and {} more", keys.size() - max_named) : "");
}

}  // namespace causeway::rpc
