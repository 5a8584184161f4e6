// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace causeway::core {

/// A logical core and where it may run: usually one CPU.
struct lcore {
    unsigned id;
    std::vector<unsigned> cpus;  ///< ascending, never empty
};

/// Which lcores a process has, by ascending id. Pure: whether the CPUs exist is another question.
using lcore_map = std::vector<lcore>;

/// What `-m` takes: "0x3", "3" (hexadecimal, too) or "[0,2-3]". One lcore per CPU, numbered from 0. Error:
/// EINVAL.
result<lcore_map> parse_core_mask(std::string_view mask);

/// What `--lcores` takes, DPDK's syntax: "0-3", "0@2,1@5", "(0-3)@0", "1@(4-7)". Error: EINVAL.
result<lcore_map> parse_lcores(std::string_view text);

/// As DPDK's `--lcores` option takes it.
std::string to_string(const lcore_map& map);

}  // namespace causeway::core
