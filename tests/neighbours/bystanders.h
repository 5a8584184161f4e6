// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/neighbours/party.h"

#include <string>
#include <vector>

namespace causeway::neighbours {

/// A party without trouble of its own: a column of the matrix.
struct bystander {
    std::string name;
    maker make;
    unsigned turns = 800;  ///< in which it is measured
};

bystander fused_pairs();
bystander connect_and_enable();
std::vector<bystander> all_bystanders();
/// Keeps as much outstanding as a queue holds. Not one of the above: it feels every buffer that others have.
bystander deep_reads();

}  // namespace causeway::neighbours
