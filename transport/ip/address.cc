#include "transport/ip/address.h"

#include <cstring>
#include <netdb.h>

namespace causeway::ip {

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

    addrinfo* found = nullptr;
    if (const int rc = ::getaddrinfo(a.traddr.c_str(), a.trsvcid.c_str(), &hints, &found); rc != 0)
        return core::fail(EINVAL, std::string("not an address: ") + ::gai_strerror(rc), a.text());
    socket_address out;
    out.size = found->ai_addrlen;
    std::memcpy(&out.storage, found->ai_addr, found->ai_addrlen);
    ::freeaddrinfo(found);
    return out;
}

nvmf::transport_address address_of(std::string_view trtype, const sockaddr& a) {
    const socklen_t size = a.sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    char host[NI_MAXHOST] = "";
    char service[NI_MAXSERV] = "";
    ::getnameinfo(&a, size, host, sizeof host, service, sizeof service, NI_NUMERICHOST | NI_NUMERICSERV);
    return {std::string(trtype), a.sa_family == AF_INET6 ? "IPv6" : "IPv4", host, service};
}

}  // namespace causeway::ip
