// SPDX-License-Identifier: Apache-2.0
#include "nvmf/port.h"

#include <fmt/format.h>

namespace causeway::nvmf {

std::string transport_address::text() const {
    if (trsvcid.empty())
        return fmt::format("{} {}", trtype, traddr);
    if (traddr.find(':') != std::string::npos)
        return fmt::format("{} [{}]:{}", trtype, traddr, trsvcid);
    return fmt::format("{} {}:{}", trtype, traddr, trsvcid);
}

}  // namespace causeway::nvmf
