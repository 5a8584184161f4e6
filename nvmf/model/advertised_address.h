// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/transport.h"

#include <optional>

namespace causeway::nvmf {

/// The address in a discovery log entry for a listener at `listens_at`, for a host that connected to `asked_at`. A host
/// cannot connect to a wildcard address, so it is replaced by the address that the host connected to, whatever the
/// fabric. nullopt: that address is of another family, and the listener is left out of the log.
inline std::optional<transport_address> advertised_address(const transport_address& listens_at,
                                                           const transport_address& asked_at) {
    if (!listens_at.is_wildcard())
        return listens_at;
    if (listens_at.adrfam != asked_at.adrfam || asked_at.is_wildcard())
        return std::nullopt;
    transport_address at = listens_at;
    at.traddr = asked_at.traddr.substr(0, asked_at.traddr.find('%'));  // our name of a link means nothing to a host
    return at;
}

}  // namespace causeway::nvmf
