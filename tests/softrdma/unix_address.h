// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>

namespace softrdma {

/// Of a path, or of an abstract name, which begins with a zero byte.
class unix_address {
  public:
    /// A name that is too long makes an address that is not valid(), and errno ENAMETOOLONG.
    explicit unix_address(std::string_view name) noexcept {
        if (name.size() > sizeof at_.sun_path) {
            errno = ENAMETOOLONG;
            return;
        }
        at_.sun_family = AF_UNIX;
        std::memcpy(at_.sun_path, name.data(), name.size());
        size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    }

    bool valid() const noexcept { return size_ != 0; }
    const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&at_); }
    socklen_t size() const noexcept { return size_; }

  private:
    sockaddr_un at_{};
    socklen_t size_ = 0;
};

}  // namespace softrdma
