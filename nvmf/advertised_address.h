#pragma once

#include "nvmf/transport.h"

#include <optional>

namespace causeway::nvmf {

/// What a discovery log entry says of a listener at `listens_at` to a host that has come to `asked_at`. A wildcard is
/// no address that a host could connect to: it stands for the one by which this host has found us, over whichever
/// fabric. nullopt: that one is of another family, and the host learns nothing of this listener.
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
