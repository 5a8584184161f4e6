// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <cstdint>
#include <netinet/in.h>
#include <sys/socket.h>

namespace softrdma {

/// Which of `devices` an address belongs to: 127.N.0.0/16 to device N, the rest of 127.0.0.0/8 and ::1 to device 0.
/// -1: no device has it.
inline int device_of(const sockaddr& address, int devices) noexcept {
    if (address.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr) ? 0 : -1;
    if (address.sa_family != AF_INET)
        return -1;
    const std::uint32_t host = ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr);
    if (host >> 24 != 127)
        return -1;
    const int second = static_cast<int>(host >> 16 & 0xff);
    return second < devices ? second : 0;
}

}  // namespace softrdma
