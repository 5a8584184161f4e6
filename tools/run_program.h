// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace causeway::tools {

/// What a program prints to its standard output. Absent: there is no such program, it failed, or it had not ended
/// within the limit; then it is killed. Blocks.
std::optional<std::string> run_program(const std::vector<std::string>& words,
                                       std::chrono::milliseconds limit = std::chrono::seconds(5));

}  // namespace causeway::tools
