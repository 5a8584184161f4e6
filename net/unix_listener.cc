// SPDX-License-Identifier: Apache-2.0
#include "net/unix_listener.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace causeway::net {

namespace {

std::string lock_of(const std::string& path) {
    return path + ".lock";
}

/// The lock file, locked. Its last owner removes it, so what we have locked may be a file that is no longer there.
core::result<core::unique_fd> lock(const std::string& path) {
    const std::string file = lock_of(path);
    for (;;) {
        core::unique_fd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        if (!fd)
            return core::fail_errno(errno, file);
        if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
            if (errno == EWOULDBLOCK)
                return core::fail(EADDRINUSE, "another process listens there", path);
            return core::fail_errno(errno, file);
        }
        struct stat mine {};
        struct stat there {};
        if (::fstat(fd.get(), &mine) == 0 && ::stat(file.c_str(), &there) == 0 && mine.st_ino == there.st_ino &&
            mine.st_dev == there.st_dev)
            return fd;
    }
}

}  // namespace

core::result<unix_listener> unix_listener::listen(std::string path, int backlog) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path)
        return core::fail(
            EINVAL, "a socket path has 1 to " + std::to_string(sizeof address.sun_path - 1) + " characters", path);
    std::memcpy(address.sun_path, path.data(), path.size());

    auto locked = lock(path);
    if (!locked)
        return tl::make_unexpected(locked.error());

    struct stat old {};
    if (::lstat(path.c_str(), &old) == 0) {
        if (!S_ISSOCK(old.st_mode)) {
            ::unlink(lock_of(path).c_str());
            return core::fail(EEXIST, "a file of that name exists and is not a socket", path);
        }
        ::unlink(path.c_str());  // its owner is dead, or it would hold the lock
    }

    core::unique_fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(socket.get(), backlog) != 0) {
        const int why = errno;
        ::unlink(lock_of(path).c_str());
        return core::fail_errno(why, path);
    }
    unix_listener s;
    s.path_ = std::move(path);
    s.lock_ = std::move(*locked);
    s.socket_ = std::move(socket);
    return s;
}

core::result<core::unique_fd> unix_listener::accept() {
    for (;;) {
        core::unique_fd fd(::accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (fd || errno == EAGAIN)
            return fd;
        if (errno != EINTR && errno != ECONNABORTED)
            return core::fail_errno(errno, path_);
    }
}

unix_listener::~unix_listener() {
    if (!socket_)
        return;
    ::unlink(path_.c_str());
    ::unlink(lock_of(path_).c_str());  // while it is still locked
}

}  // namespace causeway::net
