// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/reactor.h"
#include "core/timer.h"
#include "net/byte_connection.h"
#include "rpc/dispatcher.h"
#include "rpc/json_scanner.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <string>

namespace causeway::rpc {

struct connection_limits {
    std::size_t request_bytes = 256u << 10;
    /// Requests that run at the same time; while there are as many, no more are read.
    unsigned running = 64;
    /// Answers that the client has not read. From the first mark on no more requests are read, beyond the second the
    /// client is dropped.
    std::size_t unread_mark = 1u << 20;
    std::size_t unread_max = 64u << 20;
    /// A client that reads nothing for so long while there is something to read is dropped.
    core::nanoseconds timeout = std::chrono::seconds(30);
    /// A request that has not come whole so long after its first byte is refused, and its client dropped.
    core::nanoseconds request_time = std::chrono::seconds(30);
};

/// Bytes of answers that wait to be read, of all clients of a server.
struct unread_total {
    std::size_t bytes = 0;
    std::size_t limit;
    std::function<void()> relieve;  ///< called when there are more than `limit`: drops some client
};

/// One client: splits its bytes into requests, has them served, and sends the responses in the order in which they
/// become ready.
///
/// Lives on the control reactor. Held by the server; a request that runs holds it weakly, so that a client may go at
/// any time: the request then ends without a client.
class connection final : public std::enable_shared_from_this<connection>, private net::byte_connection::user {
  public:
    using gone_function = std::function<void(connection&)>;

    /// `gone` is called once, when the connection has closed itself.
    connection(core::reactor& r, core::unique_fd fd, dispatcher& requests, connection_limits limits,
               unread_total& total, gone_function gone);
    ~connection() { bytes_->abandon(); }

    /// No more requests are read; closes when those that run are answered.
    void finish();
    /// Closes at once. Requests that run end without an answer.
    void close() { bytes_->close(); }
    /// Nothing is being done for it, though part of a request may have come.
    bool is_quiet() const noexcept { return running_ == 0 && unsent() == 0; }
    /// When it came, last began a request, or last took an answer.
    core::ticks last_active() const noexcept { return std::max(last_begun_, bytes_->last_taken()); }
    std::size_t unsent() const noexcept { return bytes_->unsent(); }

  private:
    bool wants_bytes() const noexcept override;
    void on_bytes(std::string_view bytes) override;
    void on_end() override;
    void on_sent() override;
    void on_closed() override;

    void advance();
    void process();
    void start(std::string text);
    void answered(dispatcher::reply r);
    void fail(rpc_error e);
    void send(std::string_view text);
    void close_if_done();
    void watch_incomplete_request();
    void account() noexcept;

    bool reads_on() const noexcept { return !bytes_->closed() && !bytes_->input_ended(); }

    core::reactor& reactor_;
    dispatcher& requests_;
    const connection_limits limits_;
    unread_total& total_;
    gone_function gone_;
    const std::shared_ptr<net::byte_connection> bytes_;
    core::timer incomplete_;  // while part of a request has come
    core::ticks last_begun_;

    json_scanner scanner_;
    std::string in_;           // what has been read and not been served
    std::size_t scanned_ = 0;  // of that, how much the scanner has seen

    std::size_t accounted_ = 0;  // in total_

    unsigned running_ = 0;
    bool processing_ = false;
    bool resumption_due_ = false;
};

}  // namespace causeway::rpc
