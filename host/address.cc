// SPDX-License-Identifier: Apache-2.0
#include "host/address.h"

#include <cstring>
#include <netdb.h>

namespace causeway::host {

namespace {

core::result<socket_address> look_up(const address& a) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (const int wrong = ::getaddrinfo(a.host.c_str(), a.service.c_str(), &hints, &found); wrong != 0)
        return core::fail(EHOSTUNREACH, wrong == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(wrong), a.text());
    socket_address s;
    std::memcpy(&s.storage, found->ai_addr, found->ai_addrlen);
    s.length = found->ai_addrlen;
    ::freeaddrinfo(found);
    return s;
}

}  // namespace

std::string address::text() const {
    const bool brackets = host.find(':') != std::string::npos;
    return transport + ' ' + (brackets ? '[' + host + ']' : host) + ':' + service;
}

core::task<core::result<socket_address>> resolve(const address& a) {
    co_return co_await core::run_blocking(core::reactor::current()->group(), [&a] { return look_up(a); });
}

}  // namespace causeway::host
