// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/reactor.h"
#include "core/timer.h"
#include "core/unique_fd.h"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace causeway::net {

/// The bytes of one connection, both ways, on a stream socket: read as its user can take them, and sent as its peer
/// takes them. What waits to be sent has no bound of its own: the user asks for unsent(), and stops reading or closes.
///
/// A peer that has sent everything and shut down its side still gets what is sent to it. One that has gone is read to
/// its end first: a client may send requests and go.
///
/// Lives on one reactor. Shared, because a call to the user may release its owner: such a call holds the connection.
class byte_connection : public std::enable_shared_from_this<byte_connection> {
  public:
    /// The protocol on the bytes. Called on the connection's reactor; on_closed() is the last call.
    class user {
      public:
        /// False: nothing is read before the user has called update().
        virtual bool wants_bytes() const noexcept = 0;
        /// `bytes`, one or more, are there during the call only.
        virtual void on_bytes(std::string_view bytes) = 0;
        /// The peer sends no more.
        virtual void on_end() = 0;
        /// The peer has taken some of what waited.
        virtual void on_sent() = 0;
        /// Closed, by whichever side. May destroy the user.
        virtual void on_closed() = 0;

      protected:
        ~user() = default;
    };

    /// `fd`: connected and non-blocking. A peer that takes nothing for `send_timeout` while something waits is closed.
    byte_connection(core::reactor& r, core::unique_fd fd, core::nanoseconds send_timeout, user& u);
    /// For the user's destructor: closes without a call.
    void abandon() noexcept;

    /// Sends as much as the peer takes now and keeps the rest; update() has to follow. After close(), or if the peer
    /// reads no more, it is dropped.
    void send(std::string_view bytes);
    /// Nothing more is read.
    void end_input() noexcept { input_ended_ = true; }
    /// What wants_bytes() says may have changed, or end_input() has been called.
    void update();
    /// Closes at once; what was not sent is dropped.
    void close();

    bool closed() const noexcept { return !user_; }
    bool input_ended() const noexcept { return input_ended_; }
    /// Bytes that wait for the peer.
    std::size_t unsent() const noexcept { return out_.size() - sent_; }
    /// When the peer has last taken something; 0: never.
    core::ticks last_taken() const noexcept { return last_taken_; }

  private:
    void on_events(std::uint32_t events);
    bool wants_input() const noexcept { return user_ && !input_ended_ && user_->wants_bytes(); }
    bool read();
    void flush();

    core::reactor& reactor_;
    core::unique_fd fd_;
    const core::nanoseconds send_timeout_;
    user* user_;  ///< nullptr: closed
    std::unique_ptr<core::fd_watch> watch_;
    std::uint32_t watched_;
    core::timer stalled_;  ///< while something waits for the peer
    core::ticks last_taken_ = 0;

    std::string out_;
    std::size_t sent_ = 0;             ///< of out_
    bool input_ended_ = false;         ///< nothing more is read
    bool peer_reads_no_more_ = false;  ///< what is to be sent is dropped
    bool hung_up_ = false;             ///< the peer is gone, its last bytes perhaps not
};

}  // namespace causeway::net
