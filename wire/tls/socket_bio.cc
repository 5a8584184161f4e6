// SPDX-License-Identifier: Apache-2.0
#include "wire/tls/socket_bio.h"

#include <cerrno>
#include <new>
#include <sys/socket.h>

namespace causeway::tcp {

namespace {

bool again() noexcept {
    return errno == EAGAIN || errno == EINTR;
}

long control(BIO*, int command, long, void*) noexcept {
    return command == BIO_CTRL_FLUSH;
}

}  // namespace

bool socket_bio::flush() noexcept {
    while (kept() != 0) {
        const ssize_t n = ::send(socket_, kept_.data() + flushed_, kept(), MSG_NOSIGNAL);
        if (n < 0)
            return again();
        flushed_ += static_cast<std::size_t>(n);
    }
    kept_.clear();
    flushed_ = 0;
    return true;
}

int socket_bio::write(BIO* b, const char* data, std::size_t size, std::size_t* written) noexcept {
    auto& self = *static_cast<socket_bio*>(BIO_get_data(b));
    self.kept_.insert(self.kept_.end(), data, data + size);
    *written = size;
    return 1;
}

int socket_bio::read(BIO* b, char* data, std::size_t size, std::size_t* got) noexcept {
    BIO_clear_retry_flags(b);
    const ssize_t n = ::recv(static_cast<socket_bio*>(BIO_get_data(b))->socket_, data, size, 0);
    if (n < 0 && again())
        BIO_set_retry_read(b);
    *got = n > 0 ? static_cast<std::size_t>(n) : 0;
    return n > 0;
}

const BIO_METHOD* socket_bio::method() {
    static const BIO_METHOD* const made = [] {
        BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket, written by flush()");
        if (!m)
            throw std::bad_alloc();
        BIO_meth_set_write_ex(m, write);
        BIO_meth_set_read_ex(m, read);
        BIO_meth_set_ctrl(m, control);
        return m;
    }();
    return made;
}

BIO* socket_bio::make() {
    BIO* b = BIO_new(method());
    if (!b)
        throw std::bad_alloc();
    BIO_set_data(b, this);
    BIO_set_init(b, 1);
    return b;
}

}  // namespace causeway::tcp
