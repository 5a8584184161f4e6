// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace causeway::nvmf {

/// The address of a listener or a peer, as JSON-RPC and the discovery log spell it.
struct transport_address {
    std::string trtype;  ///< "RDMA", "TCP", "LOOP"
    std::string adrfam;  ///< "IPv4", "IPv6", "" for loop
    std::string traddr;
    std::string trsvcid;

    bool operator==(const transport_address&) const = default;
    std::string text() const;  ///< "RDMA 10.0.0.1:4420"
    /// All addresses of this machine in its family.
    bool is_wildcard() const noexcept { return traddr == "0.0.0.0" || traddr == "::"; }
};

/// What a listener requires from connections.
struct listen_options {
    bool secure_channel = false;  ///< connections are encrypted, and a host authenticates with a pre-shared key

    bool operator==(const listen_options&) const = default;
};

/// An address where a transport listens, from listen() to stop_listening(). A connection keeps the port that
/// accepted it, and comes in by it: an address that is listened at once more, perhaps with other options, is another
/// port. Immutable; any thread.
struct port {
    transport_address at;  ///< as the operator has it: it may be a wildcard
    listen_options options;
    std::uint16_t id = 0;  ///< PORTID of discovery log entries
};

}  // namespace causeway::nvmf
