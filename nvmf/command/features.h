// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/log_page.h"

namespace causeway::nvmf {

/// Feature Identifiers Supported and Effects, of an I/O or of a discovery controller.
nvme::feature_effects_log feature_effects(bool discovery) noexcept;

}  // namespace causeway::nvmf
