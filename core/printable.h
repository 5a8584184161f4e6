#pragma once

#include <string>
#include <string_view>

namespace causeway::core {

/// Text that a host, a target or a disk has chosen, as it may be written to a terminal or a log: what could begin a line, steer
/// a terminal or turn the direction of writing is shown as the hexadecimal of its bytes ("\x1b"), and so is what is not UTF-8.
/// Any thread.
std::string printable(std::string_view text);

/// Whether printable() leaves the text as it is. Allocates nothing.
bool is_printable(std::string_view text) noexcept;

}  // namespace causeway::core
