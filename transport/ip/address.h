// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "nvmf/transport.h"

#include <cstdint>
#include <netinet/in.h>
#include <string_view>
#include <sys/socket.h>

namespace causeway::ip {

/// A socket address and how long it is.
struct socket_address {
    sockaddr_storage storage{};
    socklen_t size = 0;
    sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
};

/// From the spelling of JSON-RPC. Numeric only: nothing is looked up. EINVAL.
core::result<socket_address> socket_address_of(const nvmf::transport_address& a);

/// The same address as address_of() spells it; without a family it is IPv4. EINVAL, as above, and for an IPv4 address
/// in IPv6's clothes.
core::result<nvmf::transport_address> normalized(nvmf::transport_address a);

/// `trtype` and the spelling of JSON-RPC.
nvmf::transport_address address_of(std::string_view trtype, const sockaddr& a);

/// Equal for what one machine may have for itself: an IPv4 address, or an IPv6 subnet of 64 bits.
std::uint64_t host_key(const sockaddr& a) noexcept;

}  // namespace causeway::ip
