// SPDX-License-Identifier: Apache-2.0
#include "wire/tls/tls_stream.h"

#include "core/log_event.h"
#include "wire/tls/socket_bio.h"
#include "wire/tls/tls_context.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fcntl.h>
#include <openssl/err.h>
#include <sys/socket.h>

namespace causeway::tcp {

namespace {

core::log::limiter refusals;

/// RFC 8446, "Record Layer": plaintext of one record, at most.
constexpr std::size_t record_size = 16384;

/// Records that go out with one system call.
constexpr std::size_t batch_records = 4;

/// Bytes that wait for the socket: a batch, and answers to changes of keys. A peer that asks for so many and takes none
/// is not a host.
constexpr std::size_t max_kept = 2 * batch_records * record_size;

/// Walks over pieces of memory that are to become records.
class gathering {
  public:
    explicit gathering(std::span<const iovec> from) noexcept : rest_(from) {}

    /// What the next record takes: in place if it lies in one piece, else copied together.
    std::span<const char> next() noexcept {
        skip_empty();
        if (rest_.empty())
            return {};
        const std::span here = piece();
        if (here.size() >= record_size || rest_.size() == 1)
            return here.first(std::min(here.size(), record_size));
        thread_local std::array<char, record_size> together;
        std::size_t size = 0;
        std::size_t taken = taken_;
        for (const iovec& v : rest_) {
            const std::size_t n = std::min(v.iov_len - taken, record_size - size);
            if (n != 0)
                std::memcpy(together.data() + size, static_cast<const char*>(v.iov_base) + taken, n);
            size += n;
            taken = 0;
        }
        return {together.data(), size};
    }

    void advance(std::size_t bytes) noexcept {
        for (skip_empty(); bytes != 0; skip_empty()) {
            const std::size_t n = std::min(piece().size(), bytes);
            taken_ += n;
            bytes -= n;
        }
    }

  private:
    std::span<const char> piece() const noexcept {
        return std::span(static_cast<const char*>(rest_[0].iov_base), rest_[0].iov_len).subspan(taken_);
    }
    void skip_empty() noexcept {
        for (; !rest_.empty() && taken_ == rest_[0].iov_len; taken_ = 0)
            rest_ = rest_.subspan(1);
    }

    std::span<const iovec> rest_;
    std::size_t taken_ = 0;  ///< bytes of the first piece
};

class tls_stream : public stream {
  public:
    outcome receive(std::span<const iovec> to) noexcept override;
    outcome send(std::span<const iovec> from) noexcept override;
    std::size_t begun() const noexcept override { return begun_; }
    bool holds_more() const noexcept override { return holds_more_; }
    bool wants_to_send() const noexcept override { return state_ != state::broken && bio_.kept() != 0; }
    void end_sending() noexcept override;

  protected:
    explicit tls_stream(int socket) noexcept : stream(socket), bio_(socket) {}

    void use(ssl_ptr ssl) {
        if (!ssl)
            throw std::bad_alloc();
        ssl_ = std::move(ssl);
        BIO* const to = bio_.make();
        SSL_set_bio(ssl_.get(), to, to);
    }
    SSL* ssl() const noexcept { return ssl_.get(); }
    /// False: the peer has not proved what it must.
    virtual bool greeted() noexcept { return true; }

  private:
    bool ready() noexcept;
    void learn(int failed) noexcept;
    void flush() noexcept;

    socket_bio bio_;
    ssl_ptr ssl_;
    state state_ = state::open;
    bool greeted_ = false;
    bool holds_more_ = false;
    std::size_t begun_ = 0;  ///< bytes of the batch that has not gone out wholly: until then they are not taken
};

/// Why the library did not go on. The library keeps a list of errors for each thread: what is left there would be
/// another connection's.
void tls_stream::learn(int failed) noexcept {
    const int why = SSL_get_error(ssl(), failed);
    if (why == SSL_ERROR_ZERO_RETURN)
        state_ = state::ended;
    else if (why != SSL_ERROR_WANT_READ) {
        state_ = state::broken;
        // None: the peer has closed the connection without a word, as kernels do.
        if (const char* reason = ERR_reason_error_string(ERR_peek_error()))
            core::log::peer_report(refusals, core::log::event::tls_failed, {{"reason", reason}}, "tcp: TLS {}: {}",
                                   greeted_ ? "ends" : "refused", reason);
    }
    ERR_clear_error();
    flush();
}

void tls_stream::flush() noexcept {
    if (!bio_.flush() || bio_.kept() > max_kept)
        state_ = state::broken;
}

/// Sends what has to go first. True: the handshake is over, and nothing is broken.
bool tls_stream::ready() noexcept {
    if (state_ == state::broken)
        return false;
    flush();
    if (greeted_ || state_ == state::broken)
        return state_ != state::broken;
    ERR_clear_error();
    if (const int done = SSL_do_handshake(ssl()); done != 1) {
        learn(done);
        return false;
    }
    greeted_ = true;
    if (!greeted())
        state_ = state::broken;
    flush();
    return state_ != state::broken;
}

stream::outcome tls_stream::receive(std::span<const iovec> to) noexcept {
    holds_more_ = false;
    if (!ready() || state_ == state::ended)
        return {0, state_};
    std::size_t bytes = 0;
    for (const iovec& piece : to)
        for (std::size_t filled = 0; filled != piece.iov_len;) {
            std::size_t n = 0;
            ERR_clear_error();
            const int done =
                SSL_read_ex(ssl(), static_cast<char*>(piece.iov_base) + filled, piece.iov_len - filled, &n);
            if (done != 1) {
                learn(done);
                // What came before the end comes first. Of the end the socket tells no more.
                holds_more_ = bytes != 0 && state_ != state::open;
                return {bytes, bytes != 0 ? state::open : state_};
            }
            filled += n;
            bytes += n;
        }
    holds_more_ = SSL_has_pending(ssl()) == 1;
    return {bytes, state_};
}

stream::outcome tls_stream::send(std::span<const iovec> from) noexcept {
    // A peer that says no more may listen on.
    const auto so_far = [this](std::size_t bytes) {
        return outcome{bytes, state_ == state::broken ? state_ : state::open};
    };
    if (!ready() || bio_.kept() != 0)
        return so_far(0);
    gathering records(from);
    std::size_t bytes = std::exchange(begun_, 0);
    records.advance(bytes);
    for (;;) {
        for (std::size_t i = 0; i < batch_records; ++i) {
            const std::span record = records.next();
            if (record.empty())
                break;
            std::size_t n = 0;
            ERR_clear_error();
            if (const int done = SSL_write_ex(ssl(), record.data(), record.size(), &n); done != 1) {
                learn(done);
                return so_far(bytes);
            }
            records.advance(n);
            begun_ += n;
        }
        flush();
        if (begun_ == 0 || bio_.kept() != 0)
            return so_far(bytes);
        bytes += std::exchange(begun_, 0);
    }
}

void tls_stream::end_sending() noexcept {
    if (greeted_ && state_ != state::broken) {
        ERR_clear_error();
        SSL_shutdown(ssl());
        ERR_clear_error();
        flush();
    }
    stream::end_sending();
}

class tls_server_stream final : public tls_stream {
  public:
    tls_server_stream(int socket, std::shared_ptr<tls_server> context)
        : tls_stream(socket), context_(std::move(context)), claim_{context_->keys(), {}, {}} {
        use(context_->accept(claim_));
    }

    std::string proven_identity() const override { return proven_; }

  private:
    bool greeted() noexcept override {
        SSL_set_msg_callback(ssl(), nullptr);
        claim_.hello = {};
        // Without a certificate there is no other way to the end of a handshake.
        if (!claim_.chosen || SSL_session_reused(ssl()) != 1)
            return false;
        proven_ = claim_.chosen->proof;
        claim_.chosen.reset();
        return true;
    }

    const std::shared_ptr<tls_server> context_;
    tls_claim claim_;
    std::string proven_;
};

class tls_client_stream final : public tls_stream {
  public:
    tls_client_stream(int socket, tls_psk psk) : tls_stream(socket), psk_(std::move(psk)) { use(tls_connect(psk_)); }

    std::string proven_identity() const override { return proven_ ? psk_.identity : std::string(); }

  private:
    bool greeted() noexcept override { return proven_ = SSL_session_reused(ssl()) == 1; }

    bool proven_ = false;
    const tls_psk psk_;
};

int non_blocking(int socket) noexcept {
    ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK);
    return socket;
}

}  // namespace

std::shared_ptr<tls_server> make_tls_server(std::shared_ptr<const psk_store> keys) {
    return std::make_shared<tls_server>(std::move(keys));
}

std::unique_ptr<stream> make_tls_server_stream(int socket, std::shared_ptr<tls_server> context) {
    return make_stream<tls_server_stream>(non_blocking(socket), std::move(context));
}

std::unique_ptr<stream> make_tls_client_stream(int socket, tls_psk psk) {
    return make_stream<tls_client_stream>(non_blocking(socket), std::move(psk));
}

}  // namespace causeway::tcp
