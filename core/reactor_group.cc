// SPDX-License-Identifier: Apache-2.0
#include "core/reactor_group.h"

namespace causeway::core {

reactor_group::reactor_group(const std::vector<unsigned>& cpus, const clock& time, blocking_executor& blocking,
                             reactor_options options)
    : time_(time), blocking_(blocking) {
    for (unsigned cpu : cpus) {
        const auto index = static_cast<unsigned>(reactors_.size());
        reactors_.push_back(std::make_unique<reactor>(*this, index, cpu, time, options));
    }
}

}  // namespace causeway::core
