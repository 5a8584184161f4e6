// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace causeway::tools {

/// Rows under headings, in columns as wide as what stands in them and no wider than a terminal altogether: what is too
/// long is shortened in its middle, the widest column first.
class table {
  public:
    static constexpr std::size_t max_columns_wide = 100;

    enum class align : bool { left, right };
    struct column {
        std::string heading;
        align side = align::left;
    };

    explicit table(std::vector<column> columns) : columns_(std::move(columns)) {}
    /// REQUIRES: a cell for each column. A cell may hold text chosen by a peer: see core/printable.h.
    void add(std::vector<std::string> cells);
    bool empty() const noexcept { return rows_.empty(); }

    std::string text() const;

  private:
    std::vector<std::size_t> widths() const;

    std::vector<column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

/// At most `width` characters of `text`: its beginning and its end.
std::string shortened(const std::string& text, std::size_t width);

}  // namespace causeway::tools
