#pragma once

#include "rpc/connection.h"

#include <memory>
#include <unordered_map>

namespace causeway::rpc {

struct server_options {
    unsigned connections = 64;  ///< at the same time; more wait in the socket's backlog
    connection_limits each = {};
};

/// Listens on a Unix socket and has what clients send there served. Lives on the control reactor: made, stopped and
/// destroyed there, or while it does not run. Nothing in it blocks.
class server {
  public:
    /// Clients that have come to the socket before wait there.
    server(core::reactor& control, dispatcher& requests, socket_path socket, server_options options = {});
    server(const server&) = delete;
    server& operator=(const server&) = delete;
    ~server();

    /// No new connections and no more requests; ends when those that run have been answered, or after `grace`.
    core::task<> stop(core::nanoseconds grace);

    std::size_t connections() const noexcept { return connections_.size(); }
    const std::string& path() const noexcept { return socket_.path(); }

  private:
    void accept_some();
    void watch_for_clients(bool on);

    core::reactor& control_;
    dispatcher& requests_;
    socket_path socket_;
    const server_options options_;
    std::unordered_map<connection*, std::shared_ptr<connection>> connections_;
    std::unique_ptr<core::fd_watch> watch_;
    core::timer retry_;  // after the process has run out of descriptors
    bool stopping_ = false;
};

}  // namespace causeway::rpc
