// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

namespace causeway::rpc {

/// What the operating system says of a CPU. Blocks: not on a reactor.

/// The NUMA node that it is in; 0 where the system does not say.
int numa_node_of(unsigned cpu);

/// Time spent since boot, in jiffies.
struct cpu_time {
    std::uint64_t user = 0, system = 0, interrupts = 0;
};
cpu_time time_of(unsigned cpu);

}  // namespace causeway::rpc
