// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/softrdma/verbs/layout.h"

#include <map>
#include <mutex>
#include <vector>

namespace softrdma {

/// Rings in the segment behind its tables, in whole pages. Owner's threads only.
class segment_heap {
  public:
    segment_heap(segment& in, offset begin) : segment_(in), next_(begin) {}

    /// Zeroed; 0 when the segment is full.
    offset allocate(std::uint64_t bytes);
    /// Gives the pages back to the system.
    void release(offset place, std::uint64_t bytes);

  private:
    static std::uint64_t pages(std::uint64_t bytes) noexcept { return (bytes + 4095) / 4096 * 4096; }

    std::mutex mutex_;
    segment& segment_;
    offset next_;
    std::map<std::uint64_t, std::vector<offset>> free_;  ///< by size
};

}  // namespace softrdma
