// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace causeway::core {

/// Text chosen by a host, a target or a disk, made safe for a terminal or a log: bytes that could begin a line, control
/// a terminal, change the direction of writing, or that are not UTF-8 are shown in hexadecimal ("\x1b"). Any thread.
std::string printable(std::string_view text);

/// Whether printable() leaves the text as it is. Allocates nothing.
bool is_printable(std::string_view text) noexcept;

}  // namespace causeway::core
