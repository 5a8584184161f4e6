// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace causeway::host {

/// The identity of a host.
struct identity {
    std::string hostnqn;
    std::array<std::uint8_t, 16> hostid{};
};

/// With a host identifier that belongs to the name: its UUID where it has one, else a hash of it, so that different
/// names are different hosts.
identity identity_of(std::string hostnqn);

/// That of this machine's own NVMe host (/etc/nvme/hostnqn); where it has none, one that lives as long as the process.
identity own_identity();

}  // namespace causeway::host
