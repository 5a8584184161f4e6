// SPDX-License-Identifier: Apache-2.0
#include "core/nearest_name.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace causeway::core {

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

std::string_view nearest_name(std::string_view text, std::span<const std::string_view> names, unsigned max_typos) {
    constexpr std::size_t longest_name = 64;  // a client may send a text of any length
    if (text.size() > longest_name || text.size() <= max_typos)
        return {};
    std::string_view nearest;
    std::size_t fewest = max_typos + 1;
    for (const std::string_view name : names)
        if (const std::size_t typos = edit_distance(text, name); typos < fewest) {
            fewest = typos;
            nearest = name;
        }
    return nearest;
}

}  // namespace causeway::core
