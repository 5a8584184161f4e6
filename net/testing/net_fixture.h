// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/unique_fd.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>

/// What unit tests of this folder, and of those above it, share. Not part of the gateway.
namespace causeway::net::test {

/// A folder for sockets, which goes with this object.
class scratch_directory {
  public:
    scratch_directory() {
        std::string name = (std::filesystem::temp_directory_path() / "causeway-net-XXXXXX").string();
        path_ = ::mkdtemp(name.data());
    }
    ~scratch_directory() { std::filesystem::remove_all(path_); }
    std::string operator/(const char* name) const { return (path_ / name).string(); }
    bool empty() const { return std::filesystem::is_empty(path_); }

  private:
    std::filesystem::path path_;
};

inline sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
}

/// A client that blocks, as most do.
inline core::unique_fd connect_to(const std::string& path) {
    core::unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = address_of(path);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return fd;
}

}  // namespace causeway::net::test
