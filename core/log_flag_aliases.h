// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <utility>

namespace causeway::core::log {

/// Second names of flags, and the first ones.
inline constexpr std::pair<std::string_view, std::string_view> flag_aliases[] = {
    {"nvmf_rdma", "rdma"},
    {"nvmf_tcp", "tcp"},
};

}  // namespace causeway::core::log
