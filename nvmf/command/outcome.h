// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/verdict.h"

#include <optional>

namespace causeway::nvmf {

class controller;
class request;

/// The outcome of a command on the control reactor; nullopt: it completes later.
using outcome = std::optional<verdict>;

}  // namespace causeway::nvmf
