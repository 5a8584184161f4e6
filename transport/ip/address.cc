// SPDX-License-Identifier: Apache-2.0
#include "transport/ip/address.h"

#include <arpa/inet.h>
#include <charconv>
#include <cstring>
#include <netdb.h>

namespace causeway::ip {

namespace {

/// From 1 to 65535, in digits alone: getaddrinfo() takes blanks, and of larger numbers what fits.
bool is_port(const std::string& text) noexcept {
    std::uint16_t port = 0;
    const char* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, port);
    return read.ec == std::errc() && read.ptr == end && port != 0;
}

/// Four numbers: getaddrinfo() takes fewer, and octal and hexadecimal ones.
bool is_ipv4(const std::string& text) noexcept {
    in_addr ignored;
    return ::inet_pton(AF_INET, text.c_str(), &ignored) == 1;
}

}  // namespace

core::result<socket_address> socket_address_of(const nvmf::transport_address& a) {
    addrinfo hints{};
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    if (a.adrfam == "IPv4")
        hints.ai_family = AF_INET;
    else if (a.adrfam == "IPv6")
        hints.ai_family = AF_INET6;
    else
        return core::fail(EINVAL, "the address family must be IPv4 or IPv6", a.adrfam);
    if (a.trsvcid.empty() || a.traddr.empty())
        return core::fail(EINVAL, "an address and a port are needed", a.text());
    if (!is_port(a.trsvcid))
        return core::fail(EINVAL, "trsvcid must be a port number from 1 to 65535", a.trsvcid);
    if (a.adrfam == "IPv4" && !is_ipv4(a.traddr))
        return core::fail(EINVAL, "traddr must be an IPv4 address such as 10.0.0.1", a.traddr);

    addrinfo* found = nullptr;
    if (const int rc = ::getaddrinfo(a.traddr.c_str(), a.trsvcid.c_str(), &hints, &found); rc != 0)
        return core::fail(EINVAL, std::string("not an address: ") + ::gai_strerror(rc), a.text());
    socket_address out;
    out.size = found->ai_addrlen;
    std::memcpy(&out.storage, found->ai_addr, found->ai_addrlen);
    ::freeaddrinfo(found);
    return out;
}

core::result<nvmf::transport_address> normalized(nvmf::transport_address a) {
    if (a.adrfam.empty())
        a.adrfam = "IPv4";
    auto address = socket_address_of(a);
    if (!address)
        return tl::make_unexpected(std::move(address.error()));
    if (a.adrfam == "IPv6" && IN6_IS_ADDR_V4MAPPED(&reinterpret_cast<const sockaddr_in6&>(address->storage).sin6_addr))
        return core::fail(EINVAL, "an IPv4-mapped IPv6 address: use the IPv4 address, with adrfam IPv4", a.traddr);
    return address_of(a.trtype, *address->get());
}

nvmf::transport_address address_of(std::string_view trtype, const sockaddr& a) {
    const socklen_t size = a.sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    char host[NI_MAXHOST] = "";
    char service[NI_MAXSERV] = "";
    ::getnameinfo(&a, size, host, sizeof host, service, sizeof service, NI_NUMERICHOST | NI_NUMERICSERV);
    return {std::string(trtype), a.sa_family == AF_INET6 ? "IPv6" : "IPv4", host, service};
}

std::uint64_t host_key(const sockaddr& a) noexcept {
    constexpr std::uint64_t is_ipv4 = std::uint64_t{0xffff} << 32;
    if (a.sa_family == AF_INET)
        return is_ipv4 | reinterpret_cast<const sockaddr_in&>(a).sin_addr.s_addr;
    const in6_addr& six = reinterpret_cast<const sockaddr_in6&>(a).sin6_addr;
    std::uint64_t subnet = 0;
    std::memcpy(&subnet, &six, sizeof subnet);
    return subnet;
}

}  // namespace causeway::ip
