// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/identify.h"

#include <span>
#include <string_view>

namespace causeway::nvmf {

class controller;

/// CNS 01h. Control reactor.
nvme::identify_controller identify_controller(const controller& c);

/// As ASCII fields of identify data and log pages want it: cut off or padded with spaces.
void pad_with_spaces(std::span<char> field, std::string_view text) noexcept;

}  // namespace causeway::nvmf
