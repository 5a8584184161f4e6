// SPDX-License-Identifier: Apache-2.0
#include "rpc/cpu_info.h"

#include <charconv>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <sstream>
#include <string>

namespace causeway::rpc {

int numa_node_of(unsigned cpu) {
    std::error_code ignored;
    const auto folder = fmt::format("/sys/devices/system/cpu/cpu{}", cpu);
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
        const std::string name = entry.path().filename();
        int node = 0;
        if (name.starts_with("node") &&
            std::from_chars(name.data() + 4, name.data() + name.size(), node).ec == std::errc{})
            return node;
    }
    return 0;
}

cpu_time time_of(unsigned cpu) {
    // cpu3 user nice system idle iowait irq softirq steal guest guest_nice
    std::ifstream stat("/proc/stat");
    const std::string label = fmt::format("cpu{}", cpu);
    for (std::string line; std::getline(stat, line);) {
        std::istringstream words(line);
        std::string first;
        words >> first;
        if (first != label)
            continue;
        std::uint64_t user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0;
        words >> user >> nice >> system >> idle >> iowait >> irq >> softirq;
        return {user + nice, system, irq + softirq};
    }
    return {};
}

}  // namespace causeway::rpc
