// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <openssl/bio.h>
#include <vector>

namespace causeway::tcp {

/// How the TLS library reaches a socket, which stays its owner's. It reads from the socket; what it writes is kept here
/// until flush(): several records go out with one system call, and a library that is never left with half a record can
/// answer a change of keys at any time. A closed peer causes no SIGPIPE. At one place in memory, longer than the
/// library uses it.
class socket_bio {
  public:
    explicit socket_bio(int socket) noexcept : socket_(socket) {}
    socket_bio(const socket_bio&) = delete;
    socket_bio& operator=(const socket_bio&) = delete;

    /// For SSL_set_bio(), which takes it.
    BIO* make();

    /// Sends what was kept, as far as the socket takes it. False: nothing goes through any more.
    bool flush() noexcept;
    std::size_t kept() const noexcept { return kept_.size() - flushed_; }  ///< bytes

  private:
    static int write(BIO* b, const char* data, std::size_t size, std::size_t* written) noexcept;
    static int read(BIO* b, char* data, std::size_t size, std::size_t* got) noexcept;
    static const BIO_METHOD* method();

    const int socket_;
    std::vector<char> kept_;
    std::size_t flushed_ = 0;  ///< bytes of `kept_`
};

}  // namespace causeway::tcp
