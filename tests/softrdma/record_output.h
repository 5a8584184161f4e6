// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/softrdma/settings.h"

#include <fcntl.h>
#include <string>
#include <string_view>
#include <unistd.h>

namespace softrdma {

/// Where lines of a record go at the end of a process, `SOFTRDMA_RECORD`: nowhere for "none", behind what is in a file,
/// or, by default, to the standard error, each with the fabric's name before it.
inline void write_record(std::string_view lines) {
    const std::string where = setting("SOFTRDMA_RECORD", "-");
    if (where == "none")
        return;
    if (where != "-") {
        const int fd = ::open(where.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        [[maybe_unused]] const auto written = ::write(fd, lines.data(), lines.size());
        ::close(fd);
        return;
    }
    std::string out;
    while (!lines.empty()) {
        const std::size_t end = lines.find('\n') + 1;
        out += "softrdma: ";
        out += lines.substr(0, end);
        lines.remove_prefix(end);
    }
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, out.data(), out.size());
}

}  // namespace softrdma
