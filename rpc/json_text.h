// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "rpc/method.h"

#include <string>
#include <string_view>
#include <vector>

namespace causeway::rpc {

/// A parsed text, and the members that it had more than once: the first of each is kept.
struct parsed_text {
    json value;
    std::vector<std::string> duplicates;  ///< as JSON pointers: "/params/name"
};

struct text_options {
    bool comments = false;  ///< /* */ and // are white space, as in configuration files
};

/// The whole of `text` as one JSON value, nested no deeper than json_scanner::max_depth. The error says where: "line 3,
/// column 7: …".
tl::expected<parsed_text, std::string> parse_json(std::string_view text, text_options options = {});

/// On one line, in ASCII whatever the strings hold, ended by a newline.
std::string to_line(const json& value);

/// As to_line(), in slices where it is long. Control reactor.
core::task<std::string> to_line_in_slices(json value);

}  // namespace causeway::rpc
