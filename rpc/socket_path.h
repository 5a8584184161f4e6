#pragma once

#include "core/result.h"

#include <string>

namespace causeway::rpc {

/// A file descriptor that is closed with its owner.
class unique_fd {
  public:
    unique_fd() noexcept = default;
    explicit unique_fd(int fd) noexcept : fd_(fd) {}
    unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    unique_fd& operator=(unique_fd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~unique_fd();
    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }

  private:
    int fd_ = -1;
};

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
    unique_fd lock_;
    unique_fd socket_;
};

}  // namespace causeway::rpc
