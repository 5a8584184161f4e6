// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/identify.h"

namespace causeway::nvmf {

class controller;

/// CNS 01h. Control reactor.
nvme::identify_controller identify_controller(const controller& c);

}  // namespace causeway::nvmf
