// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace causeway::conformance {

/// docs/conformance.md: a table of the rows for each command.
std::string markdown();

}  // namespace causeway::conformance
