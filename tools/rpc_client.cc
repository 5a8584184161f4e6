// SPDX-License-Identifier: Apache-2.0
#include "tools/rpc_client.h"

#include <cerrno>
#include <chrono>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <utility>

namespace causeway::tools {

namespace {

using clock = std::chrono::steady_clock;

constexpr clock::time_point never = clock::time_point::max();

core::error not_answering() {
    return {ETIMEDOUT, "the gateway does not answer", {}};
}

clock::time_point deadline_of(const std::string& method, const answer_limits& limits) {
    if (method == "framework_wait_init")
        return never;
    const bool only_reads = method.find("_get_") != std::string::npos;
    return clock::now() + (only_reads ? limits.reading : limits.changing);
}

/// The error that an answer tells of.
core::error error_in(const json& e, const std::string& method) {
    const auto text = [&](const char* key) {
        const auto found = e.find(key);
        return found != e.end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    if (!e.is_object())
        return {EPROTO, "the gateway's response has an error that is not an object", method};
    const auto code = e.find("code");
    const std::string message = text("message");
    return {code != e.end() && code->is_number_integer() ? code->get<int>() : 0,
            message.empty() ? "an error without a message" : message, method};
}

}  // namespace

core::result<rpc_client> rpc_client::connect(const std::string& path, answer_limits limits) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path)
        return core::fail(EINVAL, "not a valid socket path", path);
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    rpc_client client(core::unique_fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)), limits);
    if (!client.fd_)
        return core::fail_errno(errno, path);
    // Of connect, too, which waits where a gateway that hangs has let its queue become full.
    const auto us = std::chrono::microseconds(limits.reading).count();
    const timeval limit{us / 1'000'000, us % 1'000'000};
    ::setsockopt(client.fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (::connect(client.fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
        return client;
    const int why = errno;
    if (why == ENOENT || why == ECONNREFUSED)
        return core::fail(why, "no gateway listens at " + path);
    if (why == EAGAIN)
        return core::fail(ETIMEDOUT, not_answering().sentence, path);
    return core::fail_errno(why, path);
}

core::result<> rpc_client::wait_for(short events, time_point until) {
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock::now()).count();
        if (left <= 0)
            return tl::make_unexpected(not_answering());
        pollfd p{fd_.get(), events, 0};
        if (const int r = ::poll(&p, 1, until == never ? -1 : static_cast<int>(left)); r > 0)
            return {};
        else if (r < 0 && errno != EINTR)
            return core::fail_errno(errno);
    }
}

core::result<> rpc_client::send(const std::string& text, time_point until) {
    for (std::size_t sent = 0; sent < text.size();) {
        if (auto ready = wait_for(POLLOUT, until); !ready)
            return ready;
        const ssize_t n = ::send(fd_.get(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return core::fail(EPIPE, "the gateway has closed the connection");
        sent += n > 0 ? static_cast<std::size_t>(n) : 0;
    }
    return {};
}

/// An answer is one line.
core::result<std::string> rpc_client::read_line(time_point until) {
    std::size_t searched = 0;
    for (;;) {
        if (const auto end = in_.find('\n', searched); end != std::string::npos) {
            std::string line = in_.substr(0, end);
            in_.erase(0, end + 1);
            return line;
        }
        searched = in_.size();
        if (auto ready = wait_for(POLLIN, until); !ready)
            return tl::make_unexpected(ready.error());
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
    const auto until = deadline_of(method, limits_);
    if (auto sent = send(request.dump(), until); !sent)
        return core::fail(sent.error().code, sent.error().sentence, method);
    const auto line = read_line(until);
    if (!line)
        return core::fail(line.error().code, line.error().sentence, method);
    const json answer = json::parse(*line, nullptr, false);
    if (!answer.is_object())
        return core::fail(EPROTO, "the gateway's response is not a JSON object", method);
    // An error without an id: the gateway could not read the request.
    const auto id = answer.find("id");
    const bool is_of_this = id != answer.end() && (*id == last_id_ || (id->is_null() && answer.contains("error")));
    if (!is_of_this)
        return core::fail(EPROTO, "the gateway's response is not that of this call", method);
    if (const auto e = answer.find("error"); e != answer.end())
        return tl::make_unexpected(error_in(*e, method));
    const auto result = answer.find("result");
    if (result == answer.end())
        return core::fail(EPROTO, "the gateway's response has neither result nor error", method);
    return *result;
}

}  // namespace causeway::tools
