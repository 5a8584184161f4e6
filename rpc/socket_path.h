// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "core/unique_fd.h"

#include <string>

namespace causeway::rpc {

/// A listening Unix socket in the file system, and the lock that says that its owner lives: `<path>.lock`, locked with
/// flock(2). A socket that a dead process has left is replaced; one whose owner lives is refused. Both files go with
/// this object.
class socket_path {
  public:
    /// EADDRINUSE: another process listens there. Else what the system said.
    static core::result<socket_path> listen(std::string path, int backlog = 64);
    socket_path(socket_path&&) noexcept = default;
    socket_path& operator=(socket_path&&) = delete;
    ~socket_path();

    int fd() const noexcept { return socket_.get(); }
    const std::string& path() const noexcept { return path_; }

  private:
    socket_path() = default;
    std::string path_;
    core::unique_fd lock_;
    core::unique_fd socket_;
};

}  // namespace causeway::rpc
