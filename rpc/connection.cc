// SPDX-License-Identifier: Apache-2.0
#include "rpc/connection.h"

#include <utility>

namespace causeway::rpc {

namespace {

// Requests that are taken up in one go. The reactor may have disks and hosts of its own that wait.
constexpr unsigned requests_in_one_go = 16;

}  // namespace

connection::connection(core::reactor& r, core::unique_fd fd, dispatcher& requests, connection_limits limits,
                       unread_total& total, gone_function gone)
    : reactor_(r), requests_(requests), limits_(limits), total_(total), gone_(std::move(gone)),
      bytes_(std::make_shared<net::byte_connection>(r, std::move(fd), limits.timeout,
                                                    static_cast<net::byte_connection::user&>(*this))),
      incomplete_(r,
                  [this] {
                      const auto self = shared_from_this();  // fail() may close it, and then the server releases it
                      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limits_.request_time);
                      fail({error_code::request, "a request must come whole within " + std::to_string(seconds.count()) +
                                                     " s of its first byte"});
                      bytes_->update();
                  }),
      last_begun_(r.time().now()) {}

bool connection::wants_bytes() const noexcept {
    return running_ < limits_.running && unsent() < limits_.unread_mark && scanned_ == in_.size();
}

void connection::on_bytes(std::string_view bytes) {
    const auto self = shared_from_this();
    in_ += bytes;
    process();
    watch_incomplete_request();
}

void connection::on_end() {
    const auto self = shared_from_this();
    incomplete_.cancel();
    if (!scanner_.idle())
        fail({error_code::parse, "the connection ended within a value"});
    else
        close_if_done();
}

void connection::on_sent() {
    const auto self = shared_from_this();
    account();
    close_if_done();
    process();
    watch_incomplete_request();
}

void connection::on_closed() {
    const auto self = shared_from_this();  // the server lets go of it within the call
    account();
    incomplete_.cancel();
    gone_(*this);
}

/// Goes on with what has come, and has more read.
void connection::advance() {
    process();
    bytes_->update();
    watch_incomplete_request();
}

/// Serves what has been read, as far as that is allowed now.
void connection::process() {
    processing_ = true;
    std::size_t begin = 0;  // of the value that is being scanned
    unsigned started = 0;
    while (reads_on() && scanned_ < in_.size() && running_ < limits_.running && unsent() < limits_.unread_mark &&
           started < requests_in_one_go) {
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
    if (!bytes_->closed() && started == requests_in_one_go && !resumption_due_) {
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
    last_begun_ = reactor_.time().now();
    incomplete_.cancel();
    core::detach(requests_.serve(std::move(text)), [weak = weak_from_this()](dispatcher::reply r) {
        if (const auto self = weak.lock())
            self->answered(std::move(r));
    });
}

void connection::answered(dispatcher::reply r) {
    --running_;
    if (bytes_->closed())
        return;
    if (r.unparsable)
        bytes_->end_input();
    send(r.line);
    if (unsent() > limits_.unread_max)
        close();
    else if (total_.bytes > total_.limit)
        total_.relieve();
    if (bytes_->closed())
        return;
    if (!processing_)  // or it came at once, and process() goes on
        advance();
}

/// There is no way on in this stream of bytes.
void connection::fail(rpc_error e) {
    bytes_->end_input();
    send(dispatcher::error_line(std::move(e)));
}

void connection::send(std::string_view text) {
    bytes_->send(text);
    account();
    close_if_done();
}

void connection::finish() {
    const auto self = shared_from_this();
    bytes_->end_input();
    incomplete_.cancel();
    close_if_done();
    bytes_->update();
}

void connection::close_if_done() {
    if (bytes_->input_ended() && is_quiet())
        close();
}

/// Tells the server how much waits for its client now.
void connection::account() noexcept {
    total_.bytes += unsent() - accounted_;
    accounted_ = unsent();
}

void connection::watch_incomplete_request() {
    const bool waits_for_rest = reads_on() && wants_bytes() && !scanner_.idle();
    if (!waits_for_rest)
        incomplete_.cancel();
    else if (!incomplete_.armed())
        incomplete_.arm_after(limits_.request_time);
}

}  // namespace causeway::rpc
