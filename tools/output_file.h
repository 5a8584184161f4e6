// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"

#include <string>

namespace causeway::tools {

/// Writes the text to a file, which then has the whole of it or what it had before; links to it stay, as do its
/// permissions. What is no regular file (/dev/stdout, /dev/null, a pipe) is written to as it is. Errors: errno, with
/// the path.
core::result<> write_output(const std::string& path, const std::string& text);

}  // namespace causeway::tools
