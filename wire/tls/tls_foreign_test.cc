// SPDX-License-Identifier: Apache-2.0
// Hosts and targets whose TLS is not ours.

#include "wire/tls/testing/tls_fixture.h"

#include <arpa/inet.h>
#include <array>
#include <csignal>
#include <fmt/format.h>
#include <functional>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace causeway::tcp {
namespace {

struct foreign_client {
    explicit foreign_client(int socket, const std::function<void(SSL_CTX*)>& set_up)
        : context(SSL_CTX_new(TLS_client_method())) {
        set_up(context);
        ssl = SSL_new(context);
        SSL_set_fd(ssl, socket);
        SSL_set_connect_state(ssl);
    }
    ~foreign_client() {
        ::close(SSL_get_fd(ssl));
        SSL_free(ssl);
        SSL_CTX_free(context);
        ERR_clear_error();
    }
    SSL_CTX* context;
    SSL* ssl;
};

tls_psk foreign_psk;
int offer(SSL* ssl, const EVP_MD*, const unsigned char** id, std::size_t* size, SSL_SESSION** session) {
    const unsigned char suite[] = {0x13, 0x01};
    *session = SSL_SESSION_new();
    SSL_SESSION_set1_master_key(*session, foreign_psk.key.data(), foreign_psk.key.size());
    SSL_SESSION_set_cipher(*session, SSL_CIPHER_find(ssl, suite));
    SSL_SESSION_set_protocol_version(*session, TLS1_3_VERSION);
    *id = reinterpret_cast<const unsigned char*>(foreign_psk.identity.data());
    *size = foreign_psk.identity.size();
    return 1;
}

TEST_F(tls, a_client_of_an_older_version_or_without_a_key_is_refused) {
    const auto older = [](SSL_CTX* c) { SSL_CTX_set_max_proto_version(c, TLS1_2_VERSION); };
    const auto none = [](SSL_CTX* c) { SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION); };
    for (const std::function<void(SSL_CTX*)>& how : {std::function<void(SSL_CTX*)>(older), {none}}) {
        const auto s = make_sockets();
        target = make_tls_server_stream(s.near, server);
        foreign_client c(s.far, how);
        EXPECT_NE(SSL_do_handshake(c.ssl), 1);
        EXPECT_EQ(read_all(*target, target_got), stream::state::broken);
        EXPECT_NE(SSL_do_handshake(c.ssl), 1);
        EXPECT_EQ(SSL_get_error(c.ssl, -1), SSL_ERROR_SSL) << "it is told so";
    }
}

TEST_F(tls, keys_change_under_way_also_when_the_socket_is_full) {
    const auto s = make_sockets(4096);
    target = make_tls_server_stream(s.near, server);
    foreign_psk = psk();
    foreign_client c(s.far, [](SSL_CTX* ctx) {
        SSL_CTX_set_psk_use_session_callback(ctx, offer);
        // The target's first choice is not in the first hello: it has to ask again.
        SSL_CTX_set1_groups_list(ctx, "P-521:P-256");
    });
    for (int i = 0; i < 4; ++i) {
        SSL_do_handshake(c.ssl);
        ASSERT_EQ(read_all(*target, target_got), stream::state::open);
    }
    ASSERT_EQ(target->proven_identity(), proof_of(host, disk));

    const std::string text = pattern(100000);
    std::size_t sent = 0;
    std::string got;
    for (int i = 0; i < 2000 && got.size() < text.size(); ++i) {
        if (sent != text.size()) {
            const iovec v{const_cast<char*>(text.data() + sent), text.size() - sent};
            const auto gone = target->send({&v, 1});
            ASSERT_EQ(gone.after, stream::state::open);
            sent += gone.bytes;
        }
        if (i % 5 == 0 && i < 200)
            SSL_key_update(c.ssl, SSL_KEY_UPDATE_REQUESTED);
        SSL_write(c.ssl, "x", 1);
        ASSERT_EQ(read_all(*target, target_got), stream::state::open);
        std::array<char, 2000> some;
        if (const int n = SSL_read(c.ssl, some.data(), some.size()); n > 0)
            got.append(some.data(), static_cast<std::size_t>(n));
    }
    EXPECT_EQ(got, text);
    EXPECT_EQ(target_got, std::string(target_got.size(), 'x'));
    EXPECT_GT(target_got.size(), 40u);
}

TEST_F(tls, sessions_are_not_resumed) {
    const auto s = make_sockets();
    target = make_tls_server_stream(s.near, server);
    foreign_psk = psk();
    static int tickets;
    tickets = 0;
    foreign_client c(s.far, [](SSL_CTX* ctx) {
        SSL_CTX_set_psk_use_session_callback(ctx, offer);
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
        SSL_CTX_sess_set_new_cb(ctx, [](SSL*, SSL_SESSION*) { return ++tickets, 0; });
    });
    char byte;
    for (int i = 0; i < 4; ++i) {
        SSL_do_handshake(c.ssl);
        ASSERT_EQ(read_all(*target, target_got), stream::state::open);
    }
    ASSERT_FALSE(target->proven_identity().empty());
    EXPECT_EQ(SSL_read(c.ssl, &byte, 1), -1);
    EXPECT_EQ(tickets, 0);
}

// ---- The openssl program, over TCP.

class openssl : public tls {
  protected:
    void TearDown() override {
        if (child_ > 0) {
            ::kill(child_, SIGKILL);
            ::waitpid(child_, nullptr, 0);
            ::close(input_);
            ::close(output_);
        }
        tls::TearDown();
    }

    void start(std::vector<std::string> arguments) {
        int in[2], out[2];
        ASSERT_EQ(::pipe2(in, O_CLOEXEC) + ::pipe2(out, O_CLOEXEC), 0);
        arguments.insert(arguments.begin(), "openssl");
        std::vector<char*> argv;
        for (auto& a : arguments)
            argv.push_back(a.data());
        argv.push_back(nullptr);
        child_ = ::fork();
        ASSERT_GE(child_, 0);
        if (child_ == 0) {
            ::dup2(in[0], 0);
            ::dup2(out[1], 1);
            ::execvp(argv[0], argv.data());
            ::_exit(127);
        }
        ::close(in[0]);
        ::close(out[1]);
        input_ = in[1];
        output_ = out[0];
        ::fcntl(output_, F_SETFL, O_NONBLOCK);
    }
    void type(const std::string& text) {
        EXPECT_EQ(::write(input_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    /// Whatever it has printed.
    const std::string& printed() {
        std::array<char, 4096> some;
        for (ssize_t n; (n = ::read(output_, some.data(), some.size())) > 0;)
            printed_.append(some.data(), static_cast<std::size_t>(n));
        return printed_;
    }
    static bool within(std::chrono::seconds limit, const std::function<bool()>& what) {
        const auto end = std::chrono::steady_clock::now() + limit;
        while (!what()) {
            if (std::chrono::steady_clock::now() > end)
                return false;
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        return true;
    }
    static sockaddr_in loopback(std::uint16_t port) {
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        a.sin_port = htons(port);
        return a;
    }
    static std::string hex(const secret& key) { return fmt::format("{:02x}", fmt::join(key, "")); }
    /// A listening socket, and its port.
    static std::pair<int, std::uint16_t> listen() {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in a = loopback(0);
        socklen_t size = sizeof a;
        EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&a), size) | ::listen(fd, 1), 0);
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&a), &size);
        return {fd, ntohs(a.sin_port)};
    }

    int input_ = -1, output_ = -1;
    pid_t child_ = 0;
    std::string printed_;
};

// Its keys are for SHA-256, however long.
TEST_F(openssl, s_client_is_a_host) {
    const auto [listener, port] = listen();
    start({"s_client", "-connect", fmt::format("127.0.0.1:{}", port), "-tls1_3", "-psk_identity", psk().identity,
           "-psk", hex(psk().key), "-quiet"});
    target = make_tls_server_stream(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC), server);
    ::close(listener);
    type("from the host\n");
    EXPECT_TRUE(within(std::chrono::seconds(20),
                       [&] { return read_all(*target, target_got) != stream::state::open || !target_got.empty(); }));
    EXPECT_EQ(target_got, "from the host\n");
    EXPECT_EQ(target->proven_identity(), proof_of(host, disk));
    std::string text = "from the target\n";
    const iovec v{text.data(), text.size()};
    EXPECT_EQ(target->send({&v, 1}).bytes, text.size());
    EXPECT_TRUE(within(std::chrono::seconds(20), [&] { return printed().ends_with(text); })) << printed();
}

TEST_F(openssl, s_server_is_a_target) {
    const auto [placeholder, port] = listen();
    ::close(placeholder);
    start({"s_server", "-accept", fmt::format("127.0.0.1:{}", port), "-tls1_3", "-nocert", "-psk_identity",
           psk().identity, "-psk", hex(psk().key), "-ciphersuites", "TLS_AES_128_GCM_SHA256", "-quiet", "-naccept",
           "1"});
    int fd = -1;
    ASSERT_TRUE(within(std::chrono::seconds(20), [&] {
        fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const sockaddr_in a = loopback(port);
        if (::connect(fd, reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0)
            return true;
        ::close(fd);
        return false;
    }));
    client = make_tls_client_stream(fd, psk());
    std::string text = "from the host\n";
    const iovec v{text.data(), text.size()};
    EXPECT_TRUE(within(std::chrono::seconds(20), [&] { return client->send({&v, 1}).bytes == text.size(); }));
    EXPECT_TRUE(within(std::chrono::seconds(20), [&] { return printed().ends_with(text); })) << printed();
    type("from the target\n");
    EXPECT_TRUE(within(std::chrono::seconds(20),
                       [&] { return read_all(*client, client_got) != stream::state::open || !client_got.empty(); }));
    EXPECT_EQ(client_got, "from the target\n");
}

}  // namespace
}  // namespace causeway::tcp
