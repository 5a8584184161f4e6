// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

namespace causeway::core {

/// Which of `names` was probably meant by `text`, which is none of them: the nearest within `max_typos` characters that
/// are inserted, deleted or replaced. Empty: none is that near, or `text` is too short or too long to say.
std::string_view nearest_name(std::string_view text, std::span<const std::string_view> names, unsigned max_typos = 2);

}  // namespace causeway::core
