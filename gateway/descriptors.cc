// SPDX-License-Identifier: Apache-2.0
#include "gateway/descriptors.h"

#include <algorithm>
#include <sys/resource.h>

namespace causeway::gateway {

std::size_t raise_descriptor_limit() noexcept {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const rlimit raised{limit.rlim_max, limit.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0)
        limit = raised;
    return limit.rlim_cur;
}

common::connection_limits host_connection_limits(std::size_t descriptors) noexcept {
    common::connection_limits limits;
    limits.total = std::clamp<std::size_t>(descriptors / 2, 1, limits.total);
    return limits;
}

}  // namespace causeway::gateway
