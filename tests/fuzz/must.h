#pragma once

#include <cstdlib>

namespace causeway::fuzz {

/// What does not hold is a finding.
inline void must(bool holds) {
    if (!holds)
        std::abort();
}

}  // namespace causeway::fuzz
