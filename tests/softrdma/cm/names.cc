// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/cm/names.h"

#include "tests/softrdma/settings.h"
#include "tests/softrdma/unix_address.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <random>
#include <unistd.h>

namespace softrdma::cm {

namespace {

constexpr std::uint16_t first_ephemeral = 32768;
constexpr std::uint16_t last_ephemeral = 60999;

const sockaddr_in& v4(const sockaddr& a) {
    return reinterpret_cast<const sockaddr_in&>(a);
}

const sockaddr_in6& v6(const sockaddr& a) {
    return reinterpret_cast<const sockaddr_in6&>(a);
}

std::string text_of(const sockaddr& a) {
    char text[INET6_ADDRSTRLEN] = "?";
    const void* bytes = a.sa_family == AF_INET6 ? static_cast<const void*>(&v6(a).sin6_addr) : &v4(a).sin_addr;
    ::inet_ntop(a.sa_family, bytes, text, sizeof text);
    return text;
}

/// Abstract: nothing is left in a file system.
std::string name_of(rdma_port_space ps, const sockaddr& a) {
    return std::string(1, '\0') + "softrdma/" + domain() + "/" + std::to_string(ps) + "/" + text_of(a) + "/" +
           std::to_string(port_of(a));
}

int with_name(rdma_port_space ps, const sockaddr& a, int (*act)(int, const sockaddr*, socklen_t)) {
    const unix_address name(name_of(ps, a));
    if (!name.valid())
        return -1;
    const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (act(fd, name.get(), name.size()) != 0) {
        const int code = errno;
        ::close(fd);
        errno = code;
        return -1;
    }
    return fd;
}

}  // namespace

bool is_ip(const sockaddr& a) noexcept {
    return a.sa_family == AF_INET || a.sa_family == AF_INET6;
}

socklen_t size_of(const sockaddr& a) noexcept {
    return a.sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

std::uint16_t port_of(const sockaddr& a) noexcept {
    return ntohs(a.sa_family == AF_INET6 ? v6(a).sin6_port : v4(a).sin_port);
}

void set_port(sockaddr& a, std::uint16_t port) noexcept {
    if (a.sa_family == AF_INET6)
        reinterpret_cast<sockaddr_in6&>(a).sin6_port = htons(port);
    else
        reinterpret_cast<sockaddr_in&>(a).sin_port = htons(port);
}

bool is_any(const sockaddr& a) noexcept {
    return a.sa_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&v6(a).sin6_addr) : v4(a).sin_addr.s_addr == 0;
}

sockaddr_storage copy_of(const sockaddr& a) noexcept {
    sockaddr_storage s{};
    std::memcpy(&s, &a, size_of(a));
    return s;
}

sockaddr_storage any_of(int family) noexcept {
    sockaddr_storage s{};
    s.ss_family = static_cast<sa_family_t>(family);
    return s;
}

sockaddr_storage loopback_of(int family) noexcept {
    sockaddr_storage s = any_of(family);
    if (family == AF_INET6)
        reinterpret_cast<sockaddr_in6&>(s).sin6_addr = in6addr_loopback;
    else
        reinterpret_cast<sockaddr_in&>(s).sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return s;
}

std::uint16_t ephemeral_port() {
    thread_local std::minstd_rand dice{std::random_device{}()};
    return static_cast<std::uint16_t>(std::uniform_int_distribution<>(first_ephemeral, last_ephemeral)(dice));
}

int hold_name(rdma_port_space ps, const sockaddr& a) {
    return with_name(ps, a, ::bind);
}

int reach_name(rdma_port_space ps, const sockaddr& a) {
    return with_name(ps, a, ::connect);
}

}  // namespace softrdma::cm
