// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/unique_fd.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <sys/uio.h>
#include <utility>

namespace causeway::tcp {

/// The bytes of one connection, both ways, encrypted or not. Never blocks. Owns its socket; on one core at a time.
class stream {
  public:
    explicit stream(int socket) noexcept : socket_(socket) {}
    virtual ~stream();
    stream(const stream&) = delete;
    stream& operator=(const stream&) = delete;

    enum class state : std::uint8_t {
        open,
        ended,  ///< the peer says no more, in order
        broken  ///< nothing goes through any more
    };
    struct outcome {
        std::size_t bytes = 0;  ///< moved; 0 and `open`: not now, the socket will say when
        state after = state::open;
    };

    /// Fills `to` in order, as far as there is something.
    virtual outcome receive(std::span<const iovec> to) noexcept = 0;
    /// Takes what there is room for, from the beginning. REQUIRES: at most IOV_MAX pieces. What was not taken comes
    /// again.
    virtual outcome send(std::span<const iovec> from) noexcept = 0;
    /// Bytes that the last send() has not told as taken and that are on their way all the same: what comes again must
    /// begin with the same ones.
    virtual std::size_t begun() const noexcept { return 0; }
    /// True: receive() has data that the socket's readiness does not show.
    virtual bool holds_more() const noexcept { return false; }
    /// True: something of its own waits for the socket, and cannot go on before that takes it. Then receive() wants to
    /// be called.
    virtual bool wants_to_send() const noexcept { return false; }
    /// Nothing more is sent; the peer is told in order.
    virtual void end_sending() noexcept;

    /// What the peer has proved when the connection was encrypted. For a target, the peer's "hostnqn subnqn"; for a
    /// host, that the peer has the key of this PSK identity. Empty: nothing.
    virtual std::string proven_identity() const { return {}; }

    /// Bytes that the kernel may hold for us before the peer has to wait, its bookkeeping included.
    std::size_t receive_buffer_size() const noexcept;

    int socket() const noexcept { return socket_.get(); }  ///< to wait on

  private:
    const core::unique_fd socket_;
};

/// A Stream of `socket`, which is closed where there is no memory for one: std::bad_alloc.
template <class Stream, class... Rest>
std::unique_ptr<stream> make_stream(int socket, Rest&&... rest) {
    std::unique_ptr<stream> made(new (std::nothrow) Stream(socket, std::forward<Rest>(rest)...));
    if (!made) {
        core::unique_fd(socket).reset();
        throw std::bad_alloc();
    }
    return made;
}

/// As it is. Makes `socket` non-blocking and takes it.
std::unique_ptr<stream> make_plain_stream(int socket);

}  // namespace causeway::tcp
