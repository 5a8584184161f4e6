// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "core/unique_fd.h"

#include <string>

namespace causeway::net {

/// A listening Unix stream socket in the file system, and the lock that says that its owner lives: `<path>.lock`,
/// locked with flock(2). A socket that a dead process has left is replaced; one whose owner lives is refused. Both
/// files go with this object.
class unix_listener {
  public:
    /// EADDRINUSE: another process listens there. Else what the system said.
    static core::result<unix_listener> listen(std::string path, int backlog = 64);
    unix_listener(unix_listener&&) noexcept = default;
    unix_listener& operator=(unix_listener&&) = delete;
    ~unix_listener();

    /// The next client, non-blocking; empty where none waits. After EMFILE, ENFILE, ENOMEM, … `fd()` stays ready: watch
    /// it again only after a while.
    core::result<core::unique_fd> accept();

    int fd() const noexcept { return socket_.get(); }
    const std::string& path() const noexcept { return path_; }

  private:
    unix_listener() = default;
    std::string path_;
    core::unique_fd lock_;
    core::unique_fd socket_;
};

}  // namespace causeway::net
