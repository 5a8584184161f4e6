// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netinet/in.h>
#include <rdma/rdma_cma.h>
#include <string>
#include <sys/socket.h>

namespace softrdma::cm {

bool is_ip(const sockaddr& a) noexcept;
socklen_t size_of(const sockaddr& a) noexcept;
std::uint16_t port_of(const sockaddr& a) noexcept;
void set_port(sockaddr& a, std::uint16_t port) noexcept;
bool is_any(const sockaddr& a) noexcept;
sockaddr_storage copy_of(const sockaddr& a) noexcept;
sockaddr_storage any_of(int family) noexcept;
sockaddr_storage loopback_of(int family) noexcept;

/// A port that the kernel, too, would choose for a socket bound to port 0.
std::uint16_t ephemeral_port();

/// A socket that holds the abstract name of the address. -1 with errno.
int hold_name(rdma_port_space ps, const sockaddr& a);
/// A connected socket, non-blocking. -1 with errno: ECONNREFUSED if there is no listener, EAGAIN if its backlog is
/// full.
int reach_name(rdma_port_space ps, const sockaddr& a);

}  // namespace softrdma::cm
