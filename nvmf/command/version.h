// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/properties.h"

#include <cstdint>
#include <string_view>

namespace causeway::nvmf {

/// VS, and VER of Identify Controller.
inline constexpr std::uint32_t specification_version = nvme::version(2, 0);

/// FR of Identify Controller and of the Firmware Slot log page: the first 8 characters of the project's
/// version.
inline constexpr std::string_view firmware_revision = std::string_view(CAUSEWAY_VERSION).substr(0, 8);

}  // namespace causeway::nvmf
