// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace softrdma::cm {

/// What has happened in this process, told at its end to whom `SOFTRDMA_RECORD` names: `-` for stderr, or a file to
/// append to.
struct counts {
    std::uint64_t asked = 0;
    std::uint64_t accepted = 0;
    std::uint64_t rejected = 0;
    std::uint64_t established = 0;
    std::uint64_t disconnected = 0;
};

}  // namespace softrdma::cm
