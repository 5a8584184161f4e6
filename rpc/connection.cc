// SPDX-License-Identifier: Apache-2.0
#include "rpc/connection.h"

#include <array>
#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace causeway::rpc {

namespace {

constexpr std::size_t read_bytes = 64u << 10;
// Requests that are taken up in one go. The reactor may have disks and hosts of its own that wait.
constexpr unsigned requests_in_one_go = 16;
// What has been sent is cut off the buffer in pieces of at least this.
constexpr std::size_t compaction_bytes = 1u << 20;

}  // namespace

connection::connection(core::reactor& r, core::unique_fd fd, dispatcher& requests, connection_limits limits,
                       unread_total& total, gone_function gone)
    : reactor_(r), fd_(std::move(fd)), requests_(requests), limits_(limits), total_(total), gone_(std::move(gone)),
      stalled_(r, [this] { close(); }),
      incomplete_(r,
                  [this] {
                      const auto self = shared_from_this();  // fail() may close it, and then the server releases it
                      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limits_.request_time);
                      fail({error_code::request, "a request must come whole within " + std::to_string(seconds.count()) +
                                                     " s of its first byte"});
                      update_events();
                  }),
      last_active_(r.time().now()) {
    watched_ = EPOLLIN;
    watch_ =
        std::make_unique<core::fd_watch>(r, fd_.get(), watched_, [this](std::uint32_t events) { on_events(events); });
}

void connection::on_events(std::uint32_t events) {
    const auto self = shared_from_this();
    if (events & (EPOLLHUP | EPOLLERR)) {
        hung_up_ = true;
        watch_.reset();  // it would be ready for ever
    }
    if (!closed_ && (events & EPOLLOUT))
        send();
    if (events & EPOLLIN)
        read_some();
    advance();
}

/// Serves what has come, and after a hang-up also what is still in the socket: a client may send requests and go.
void connection::advance() {
    do {
        process();
    } while (hung_up_ && read_some());
    if (hung_up_ && input_ended_)
        close();
    update_events();
}

/// False: nothing has come.
bool connection::read_some() {
    if (!wants_input())
        return false;
    std::array<char, read_bytes> bytes;
    const ssize_t n = ::recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (n > 0) {
        in_.append(bytes.data(), static_cast<std::size_t>(n));
        return true;
    }
    if (n == 0) {
        input_ended_ = true;
        if (!scanner_.idle())
            fail({error_code::parse, "the connection ended within a value"});
        else if (is_quiet())
            close();
    } else if (errno != EAGAIN && errno != EINTR) {
        close();
    }
    return false;
}

bool connection::wants_input() const noexcept {
    return !closed_ && !input_ended_ && running_ < limits_.running && unsent() < limits_.unread_mark &&
           scanned_ == in_.size();
}

/// Serves what has been read, as far as that is allowed now.
void connection::process() {
    processing_ = true;
    std::size_t begin = 0;  // of the value that is being scanned
    unsigned started = 0;
    while (!closed_ && !input_ended_ && scanned_ < in_.size() && running_ < limits_.running &&
           unsent() < limits_.unread_mark && started < requests_in_one_go) {
        const auto step = scanner_.scan(std::string_view(in_).substr(scanned_));
        scanned_ += step.consumed;
        if (scanner_.idle() && step.what == json_scanner::outcome::need_more)
            begin = scanned_;  // white space
        if (scanned_ - begin > limits_.request_bytes) {
            fail({error_code::request, "a request has at most " + std::to_string(limits_.request_bytes) + " bytes"});
        } else if (step.what == json_scanner::outcome::value) {
            start(in_.substr(begin, scanned_ - begin));
            begin = scanned_;
            ++started;
        } else if (step.what == json_scanner::outcome::malformed) {
            fail({error_code::parse, "Parse error"});
        } else if (step.what == json_scanner::outcome::too_deep) {
            fail({error_code::parse, "nested deeper than " + std::to_string(json_scanner::max_depth) + " levels"});
        }
    }
    in_.erase(0, begin);
    scanned_ -= begin;
    processing_ = false;
    if (!closed_ && started == requests_in_one_go && !resumption_due_) {
        resumption_due_ = true;
        reactor_.execute([weak = weak_from_this()] {
            if (const auto self = weak.lock()) {
                self->resumption_due_ = false;
                self->advance();
            }
        });
    }
}

void connection::start(std::string text) {
    ++running_;
    last_active_ = reactor_.time().now();
    incomplete_.cancel();
    core::detach(requests_.serve(std::move(text)), [weak = weak_from_this()](dispatcher::reply r) {
        if (const auto self = weak.lock())
            self->answered(std::move(r));
    });
}

void connection::answered(dispatcher::reply r) {
    --running_;
    if (closed_)
        return;
    input_ended_ = input_ended_ || r.unparsable;
    out_ += r.line;
    send();
    if (unsent() > limits_.unread_max)
        close();
    else if (total_.bytes > total_.limit)
        total_.relieve();
    if (closed_)
        return;
    if (!processing_)  // or it came at once, and process() goes on
        advance();
}

/// There is no way on in this stream of bytes.
void connection::fail(rpc_error e) {
    input_ended_ = true;
    out_ += dispatcher::error_line(std::move(e));
    send();
}

void connection::send() {
    while (unsent() && !peer_reads_no_more_) {
        const ssize_t n = ::send(fd_.get(), out_.data() + sent_, unsent(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            if (errno == EAGAIN) {
                if (!stalled_.armed())
                    stalled_.arm_after(limits_.timeout);
                account();
                return;
            }
            peer_reads_no_more_ = true;  // what it has sent before it went is still served
            break;
        }
        sent_ += static_cast<std::size_t>(n);
        last_active_ = reactor_.time().now();
        stalled_.cancel();
        if (sent_ >= compaction_bytes) {
            out_.erase(0, sent_);
            sent_ = 0;
        }
    }
    out_.clear();
    sent_ = 0;
    account();
    if (input_ended_ && running_ == 0)
        close();
}

void connection::finish() {
    const auto self = shared_from_this();
    input_ended_ = true;
    if (is_quiet())
        close();
    update_events();
}

/// Tells the server how much waits for its client now.
void connection::account() noexcept {
    const std::size_t now = closed_ ? 0 : unsent();
    total_.bytes += now - accounted_;
    accounted_ = now;
}

void connection::watch_incomplete_request() {
    const bool waits_for_rest = wants_input() && !scanner_.idle();
    if (!waits_for_rest)
        incomplete_.cancel();
    else if (!incomplete_.armed())
        incomplete_.arm_after(limits_.request_time);
}

void connection::update_events() {
    watch_incomplete_request();
    if (!watch_)
        return;
    std::uint32_t wanted = 0;
    if (wants_input())
        wanted |= EPOLLIN;
    if (unsent())
        wanted |= EPOLLOUT;
    if (wanted != watched_) {
        watched_ = wanted;
        watch_->set_events(wanted);
    }
}

void connection::close() {
    if (closed_)
        return;
    const auto self = shared_from_this();
    closed_ = true;
    account();
    stalled_.cancel();
    incomplete_.cancel();
    // A socket that is closed with bytes unread resets its peer, which then may not see the last answer.
    std::array<char, read_bytes> unwanted;
    for (int i = 0; i < 16 && ::recv(fd_.get(), unwanted.data(), unwanted.size(), MSG_DONTWAIT) > 0; ++i) {
    }
    watch_.reset();
    fd_.reset();
    gone_(*this);
}

}  // namespace causeway::rpc
