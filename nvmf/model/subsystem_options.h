// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"

#include <cstdint>
#include <string>

namespace causeway::nvmf {

/// What an operator says of a subsystem when it is made.
struct subsystem_options {
    std::string nqn;
    bool discovery = false;
    std::string unique_nqn{};     ///< of the discovery subsystem, besides `nqn`; empty: it has none
    std::string serial_number{};  ///< empty: made of the NQN, the same on every gateway
    std::string model_number = "Causeway Controller";
    std::uint32_t max_namespaces = 32;
    bool allow_any_host = false;
    bool ana_reporting = false;
    std::uint16_t min_cntlid = 1;
    std::uint16_t max_cntlid = 0xffef;
    std::uint32_t dmrsl = 2097152;  ///< blocks of one discard range
    std::uint8_t wzsl = 12;         ///< write zeroes size limit, 2^n x 4 KiB
    std::string admin_label;
};

/// These, with what was left out filled in (a serial number; max_namespaces of 0 is the default). EINVAL: one of them
/// is outside its range.
core::result<subsystem_options> completed(subsystem_options o);

}  // namespace causeway::nvmf
