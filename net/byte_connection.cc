// SPDX-License-Identifier: Apache-2.0
#include "net/byte_connection.h"

#include <array>
#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <utility>

namespace causeway::net {

namespace {

constexpr std::size_t read_bytes = 64u << 10;
// What has been sent is cut off the buffer in pieces of at least this.
constexpr std::size_t compaction_bytes = 1u << 20;

}  // namespace

byte_connection::byte_connection(core::reactor& r, core::unique_fd fd, core::nanoseconds send_timeout, user& u)
    : reactor_(r), fd_(std::move(fd)), send_timeout_(send_timeout), user_(&u), watched_(EPOLLIN),
      stalled_(r, [this] { close(); }) {
    watch_ =
        std::make_unique<core::fd_watch>(r, fd_.get(), watched_, [this](std::uint32_t events) { on_events(events); });
}

void byte_connection::on_events(std::uint32_t events) {
    const auto self = shared_from_this();
    if (events & (EPOLLHUP | EPOLLERR)) {
        hung_up_ = true;
        watch_.reset();  // it would be ready for ever
    }
    if (!closed() && (events & EPOLLOUT)) {
        flush();
        user_->on_sent();
    }
    if (events & EPOLLIN)
        read();
    update();
}

/// False: nothing has come.
bool byte_connection::read() {
    if (!wants_input())
        return false;
    std::array<char, read_bytes> bytes;
    const ssize_t n = ::recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (n > 0) {
        user_->on_bytes({bytes.data(), static_cast<std::size_t>(n)});
        return true;
    }
    if (n == 0) {
        input_ended_ = true;
        user_->on_end();
    } else if (errno != EAGAIN && errno != EINTR) {
        close();
    }
    return false;
}

void byte_connection::flush() {
    while (unsent() && !peer_reads_no_more_) {
        const ssize_t n = ::send(fd_.get(), out_.data() + sent_, unsent(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            if (errno == EAGAIN) {
                if (!stalled_.armed())
                    stalled_.arm_after(send_timeout_);
                return;
            }
            peer_reads_no_more_ = true;  // what it has sent before it went is still read
            stalled_.cancel();           // and nothing waits for it any more
            break;
        }
        sent_ += static_cast<std::size_t>(n);
        last_taken_ = reactor_.time().now();
        stalled_.cancel();
        if (sent_ >= compaction_bytes) {
            out_.erase(0, sent_);
            sent_ = 0;
        }
    }
    out_.clear();
    sent_ = 0;
}

void byte_connection::send(std::string_view bytes) {
    if (closed() || peer_reads_no_more_)
        return;
    out_ += bytes;
    flush();
}

void byte_connection::update() {
    const auto self = shared_from_this();
    while (hung_up_ && read()) {  // no event tells of these
    }
    if (hung_up_ && input_ended_)
        close();
    if (!watch_)
        return;
    std::uint32_t wanted = 0;
    if (wants_input())
        wanted |= EPOLLIN;
    if (unsent())
        wanted |= EPOLLOUT;
    if (std::exchange(watched_, wanted) != wanted)
        watch_->set_events(wanted);
}

void byte_connection::abandon() noexcept {
    user_ = nullptr;
    out_.clear();
    sent_ = 0;
    stalled_.cancel();
    watch_.reset();
    fd_.reset();
}

void byte_connection::close() {
    if (closed())
        return;
    const auto self = shared_from_this();
    // A socket that is closed with bytes unread resets its peer, which then may not see what was sent last.
    std::array<char, read_bytes> unwanted;
    for (int i = 0; i < 16 && ::recv(fd_.get(), unwanted.data(), unwanted.size(), MSG_DONTWAIT) > 0; ++i) {
    }
    user& last = *user_;
    abandon();
    last.on_closed();
}

}  // namespace causeway::net
