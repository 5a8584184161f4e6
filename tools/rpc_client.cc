// SPDX-License-Identifier: Apache-2.0
#include "tools/rpc_client.h"

#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <utility>

namespace causeway::tools {

core::result<rpc_client> rpc_client::connect(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path)
        return core::fail(EINVAL, "not a valid socket path", path);
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    rpc_client client(core::unique_fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    if (!client.fd_)
        return core::fail_errno(errno, path);
    if (::connect(client.fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
        return client;
    const int why = errno;
    if (why == ENOENT || why == ECONNREFUSED)
        return core::fail(why, "no gateway listens at " + path);
    return core::fail_errno(why, path);
}

core::result<> rpc_client::send(std::string text) {
    for (std::size_t sent = 0; sent < text.size();) {
        const ssize_t n = ::send(fd_.get(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return core::fail(EPIPE, "the gateway has closed the connection");
        sent += n > 0 ? static_cast<std::size_t>(n) : 0;
    }
    return {};
}

/// An answer is one line.
core::result<std::string> rpc_client::read_line() {
    std::size_t searched = 0;
    for (;;) {
        if (const auto end = in_.find('\n', searched); end != std::string::npos) {
            std::string line = in_.substr(0, end);
            in_.erase(0, end + 1);
            return line;
        }
        searched = in_.size();
        char bytes[65536];
        const ssize_t n = ::recv(fd_.get(), bytes, sizeof bytes, 0);
        if (n == 0 || (n < 0 && errno != EINTR))
            return core::fail(EPIPE, "the gateway has closed the connection");
        in_.append(bytes, n > 0 ? static_cast<std::size_t>(n) : 0);
    }
}

core::result<json> rpc_client::call(const std::string& method, const json& params) {
    json request = {{"jsonrpc", "2.0"}, {"id", ++last_id_}, {"method", method}};
    if (!params.is_null())
        request["params"] = params;
    if (auto sent = send(request.dump()); !sent)
        return tl::make_unexpected(sent.error());
    auto line = read_line();
    if (!line)
        return tl::make_unexpected(line.error());
    const json answer = json::parse(*line, nullptr, false);
    if (!answer.is_object())
        return core::fail(EPROTO, "the gateway's response is not a JSON object", method);
    if (const auto e = answer.find("error"); e != answer.end())
        return core::fail(e->value("code", 0), e->value("message", std::string("an error without a message")), method);
    const auto result = answer.find("result");
    if (result == answer.end())
        return core::fail(EPROTO, "the gateway's response has neither result nor error", method);
    return *result;
}

}  // namespace causeway::tools
