// SPDX-License-Identifier: Apache-2.0
#include "tools/table.h"

#include "core/printable.h"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>

namespace causeway::tools {

namespace {

constexpr std::size_t gap = 2;
constexpr std::size_t narrowest = 8;  // of a column that is being shortened
constexpr std::string_view dots = "..";

}  // namespace

std::string shortened(const std::string& text, std::size_t width) {
    if (text.size() <= width)
        return text;
    if (width <= dots.size())
        return text.substr(0, width);
    const std::size_t kept = width - dots.size();
    const std::size_t head = kept / 2;
    return text.substr(0, head).append(dots).append(text, text.size() - (kept - head));
}

void table::add(std::vector<std::string> cells) {
    for (auto& c : cells)
        c = core::printable(c);
    rows_.push_back(std::move(cells));
}

std::vector<std::size_t> table::widths() const {
    std::vector<std::size_t> w;
    for (const auto& c : columns_)
        w.push_back(c.heading.size());
    for (const auto& row : rows_)
        for (std::size_t i = 0; i < row.size(); ++i)
            w[i] = std::max(w[i], row[i].size());
    const std::size_t room = max_columns_wide - gap * (w.size() - 1);
    while (std::accumulate(w.begin(), w.end(), std::size_t{0}) > room) {
        auto& widest = *std::ranges::max_element(w);
        if (widest <= narrowest)
            break;
        --widest;
    }
    return w;
}

std::string table::text() const {
    const auto w = widths();
    std::string all;
    const auto add_line = [&](const auto& cell) {
        std::string line;
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            const std::string text = shortened(cell(i), w[i]);
            line +=
                columns_[i].side == align::left ? fmt::format("{:<{}}", text, w[i]) : fmt::format("{:>{}}", text, w[i]);
            line.append(gap, ' ');
        }
        line.erase(line.find_last_not_of(' ') + 1);
        all += line + '\n';
    };
    add_line([&](std::size_t i) { return columns_[i].heading; });
    for (const auto& row : rows_)
        add_line([&](std::size_t i) { return row[i]; });
    return all;
}

}  // namespace causeway::tools
