// SPDX-License-Identifier: Apache-2.0
#include "wire/tcp/stream.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/socket.h>

namespace causeway::tcp {

namespace {

stream::outcome failed() noexcept {
    if (errno == EAGAIN || errno == EINTR)
        return {};
    return {0, stream::state::broken};
}

class plain_stream final : public stream {
  public:
    using stream::stream;

    outcome receive(std::span<const iovec> to) noexcept override {
        msghdr m{};
        m.msg_iov = const_cast<iovec*>(to.data());
        m.msg_iovlen = to.size();
        const ssize_t n = ::recvmsg(socket(), &m, 0);
        if (n < 0)
            return failed();
        return {static_cast<std::size_t>(n), n == 0 ? state::ended : state::open};
    }

    outcome send(std::span<const iovec> from) noexcept override {
        msghdr m{};
        m.msg_iov = const_cast<iovec*>(from.data());
        m.msg_iovlen = from.size();
        const ssize_t n = ::sendmsg(socket(), &m, MSG_NOSIGNAL);
        if (n < 0)
            return failed();
        return {static_cast<std::size_t>(n), state::open};
    }
};

}  // namespace

stream::~stream() = default;

void stream::end_sending() noexcept {
    ::shutdown(socket(), SHUT_WR);
}

std::size_t stream::receive_buffer_size() const noexcept {
    int bytes = 0;
    socklen_t size = sizeof bytes;
    return ::getsockopt(socket(), SOL_SOCKET, SO_RCVBUF, &bytes, &size) == 0 ? static_cast<std::size_t>(bytes) : 0;
}

std::unique_ptr<stream> make_plain_stream(int socket) {
    ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK);
    return make_stream<plain_stream>(socket);
}

}  // namespace causeway::tcp
