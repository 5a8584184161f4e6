// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/neighbours/party.h"

#include <string>
#include <vector>

namespace causeway::neighbours {

/// A party that makes trouble: a row of the matrix.
struct trouble {
    std::string sentence;
    maker make;
    /// That it has been made: whether this is how things stand in the middle of it.
    std::function<bool(neighbourhood&, const party&)> is_made;
    unsigned hung_disks = 0;
};

/// Those that can be made over every transport.
std::vector<trouble> troubles_everywhere();
/// Those that one transport alone makes possible.
std::vector<trouble> troubles_over_tcp();
std::vector<trouble> troubles_over_rdma();

}  // namespace causeway::neighbours
