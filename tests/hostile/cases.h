// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/hostile/nvme_host.h"

#include <string>
#include <string_view>
#include <vector>

namespace causeway::hostile {

/// Something that no host may do, and the reaction that a target must show. Returns the reaction, for the report;
/// throws `unexpected` if it is a wrong one.
struct hostile_case {
    std::string_view name;
    std::string_view sentence;
    std::string (*run)(const endpoint& at);
};

std::span<const hostile_case> connect_cases();  ///< connection requests and Connect
std::span<const hostile_case> sgl_cases();      ///< data pointers
std::span<const hostile_case> capsule_cases();  ///< fields and lengths of capsules
std::span<const hostile_case> flood_cases();    ///< more of something than was agreed
std::span<const hostile_case> leave_cases();    ///< ways to go

}  // namespace causeway::hostile
