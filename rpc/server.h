// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/condition_variable.h"
#include "net/unix_listener.h"
#include "rpc/connection.h"

#include <memory>
#include <unordered_map>

namespace causeway::rpc {

struct server_options {
    /// At the same time. A newcomer takes the place of the client that has been idle for longest; where none is idle it
    /// gets a place that is kept for that.
    unsigned connections = 64;
    /// A client whose requests have run for so long may lose its place, too, where none is idle.
    core::nanoseconds busy_limit = std::chrono::seconds(30);
    /// Answers of all clients together that they have not read. Beyond it the client with the most is dropped.
    std::size_t unread_bytes = 256u << 20;
    connection_limits each = {};
};

/// Listens on a Unix socket and has what clients send there served. Lives on the control reactor: made, stopped and
/// destroyed there, or while it does not run. Nothing in it blocks.
class server {
  public:
    /// Clients that have come to the socket before wait there.
    server(core::reactor& control, dispatcher& requests, net::unix_listener listener, server_options options = {});
    server(const server&) = delete;
    server& operator=(const server&) = delete;
    ~server();

    /// No new connections and no more requests; ends when those that run have been answered, or after `grace`.
    core::task<> stop(core::nanoseconds grace);

    std::size_t connections() const noexcept { return connections_.size(); }
    const std::string& path() const noexcept { return listener_.path(); }

  private:
    void accept_some();
    void add_client(core::unique_fd fd);
    std::shared_ptr<connection> find_victim() const;
    void drop_slowest_reader();
    void watch_for_clients(bool on);

    core::reactor& control_;
    dispatcher& requests_;
    net::unix_listener listener_;
    const server_options options_;
    unread_total unread_;
    std::unordered_map<connection*, std::shared_ptr<connection>> connections_;
    std::unique_ptr<core::fd_watch> watch_;
    core::timer retry_;  // after the process has run out of descriptors, or the server of places
    bool stopping_ = false;
    core::condition_variable client_gone_;
};

}  // namespace causeway::rpc
