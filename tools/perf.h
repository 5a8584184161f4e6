// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "host/histogram.h"
#include "tools/perf_options.h"

#include <array>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace causeway::tools {

/// The result of a measurement.
struct perf_result {
    struct side {
        std::uint64_t commands = 0;
        std::uint64_t bytes = 0;
        /// Of one command, from its submission to its completion, nanoseconds.
        double min = 0, mean = 0, max = 0;
        std::vector<std::pair<const char*, double>> percentiles;
    };
    side read, write;
    double seconds = 0;             ///< that were measured
    std::uint64_t outstanding = 0;  ///< commands at a time, of all cores
    double busy = 0;                ///< the part of the cores' time in which they had something to do, 0 to 1
    std::uint64_t failed = 0;
    std::uint64_t verified_blocks = 0;
    std::uint64_t reconnects = 0;
    std::uint64_t redriven = 0;  ///< commands that were sent again, by another path or on a new connection
    std::string trouble;         ///< what ended it before its time
    bool lost = false;           ///< and that was a connection
};

/// A periodic line of progress, about the time since the last one.
struct perf_progress {
    double seconds;
    double iops;
    double mib;  ///< a second
    const char* phase;
};

/// Connects, drives, and measures. Blocks; not on a reactor. The error: no connection, or a target that cannot be used
/// with these options. `stop_descriptor` becomes readable when the run has to stop.
core::result<perf_result> run_perf(const perf_options& o, int stop_descriptor,
                                   const std::function<void(const perf_progress&)>& tell);

std::string to_text(const perf_result& r);
nlohmann::ordered_json to_json(const perf_result& r, const perf_options& o);

}  // namespace causeway::tools
