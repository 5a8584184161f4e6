// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/cm/record.h"

#include "tests/softrdma/cm/library_state.h"
#include "tests/softrdma/record_output.h"

#include <string>

namespace softrdma::cm {

namespace {

__attribute__((destructor)) void tell() {
    // A thread that was ended in the middle of something must not hold up the end of the process.
    locked l(the_library().lock, std::try_to_lock);
    if (!l)
        return;
    const counts c = the_library().count;
    l.unlock();
    std::string lines;
    const auto add = [&](const char* name, std::uint64_t n) {
        if (n)
            lines += std::string(name) + " " + std::to_string(n) + "\n";
    };
    add("cm_asked", c.asked);
    add("cm_accepted", c.accepted);
    add("cm_rejected", c.rejected);
    add("cm_established", c.established);
    add("cm_disconnected", c.disconnected);
    write_record(lines);
}

}  // namespace

}  // namespace softrdma::cm
