// SPDX-License-Identifier: Apache-2.0
#include "wire/tls/testing/tls_fixture.h"

#include <array>
#include <functional>
#include <unistd.h>

namespace causeway::tcp {
namespace {

TEST_F(tls, a_host_proves_who_it_is_with_every_identity_and_reading_of_its_key) {
    ASSERT_TRUE(keys->admit(other_disk, host, key_02));
    for (const psk_version version : {psk_version::zero, psk_version::one})
        for (const psk_reading reading : {psk_reading::rfc8446, psk_reading::bare}) {
            connect(psk(key_01, version, reading));
            EXPECT_TRUE(target->proven_identity().empty());
            EXPECT_TRUE(greet());
            EXPECT_EQ(target->proven_identity(), proof_of(host, disk));
            EXPECT_EQ(client->proven_identity(), psk(key_01, version, reading).identity);
            connect(psk(key_02, version, reading, other_disk));
            EXPECT_TRUE(greet());
            EXPECT_EQ(target->proven_identity(), proof_of(host, other_disk));
        }
}

TEST_F(tls, bytes_arrive_as_they_were_sent_in_pieces_of_any_size) {
    for (const std::size_t piece : {1u, 24u, 1000u, 4096u, 16383u, 16384u, 16385u, 131072u}) {
        connect(psk());
        ASSERT_TRUE(greet());
        const std::string text = pattern(300000, static_cast<unsigned>(piece));
        send_all(*client, *target, text, target_got, piece);
        EXPECT_EQ(std::exchange(target_got, {}), text) << piece;
        send_all(*target, *client, text, client_got, piece);
        EXPECT_EQ(std::exchange(client_got, {}), text) << piece;
    }
}

TEST_F(tls, what_a_full_socket_does_not_take_comes_again_from_somewhere_else) {
    connect(psk(), 4096);
    ASSERT_TRUE(greet());
    const std::string text = pattern(200000);
    std::size_t sent = 0, refused = 0;
    while (sent != text.size()) {
        // Elsewhere, cut otherwise, and more of it each time.
        const std::string left = text.substr(sent, 20000 + refused * 100);
        const std::size_t cut = (refused * 37) % left.size();
        const iovec v[] = {{const_cast<char*>(left.data()), cut},
                           {const_cast<char*>(left.data() + cut), left.size() - cut}};
        const auto gone = target->send(v);
        ASSERT_EQ(gone.after, stream::state::open);
        sent += gone.bytes;
        if (gone.bytes == 0) {
            ++refused;
            ASSERT_LT(refused, 10000u);
            std::array<char, 3000> some;
            const iovec to{some.data(), some.size()};
            const auto got = client->receive({&to, 1});
            client_got.append(some.data(), got.bytes);
        }
    }
    read_all(*client, client_got);
    EXPECT_EQ(client_got, text);
    EXPECT_GT(refused, 10u);
}

/// A write's R2T of which the stream has encrypted something cannot be taken back, although nothing was taken of it.
TEST_F(tls, what_it_has_begun_to_send_is_not_taken_and_is_said) {
    connect(psk(), 4096);
    ASSERT_TRUE(greet());
    std::string text = pattern(100000);
    std::size_t sent = 0;
    const auto send = [&] {
        const iovec v{text.data() + sent, text.size() - sent};
        const auto gone = target->send({&v, 1});
        sent += gone.bytes;
        return gone.bytes;
    };
    EXPECT_EQ(target->begun(), 0u);
    while (send() != 0) {
    }
    ASSERT_LT(sent, text.size());
    const std::size_t begun = target->begun();
    EXPECT_GT(begun, 0u);
    EXPECT_LE(begun, text.size() - sent);
    EXPECT_EQ(send(), 0u);
    EXPECT_EQ(target->begun(), begun) << "the same again";

    std::size_t next = 0;
    while (next == 0) {
        read_all(*client, client_got);
        next = send();
    }
    EXPECT_GE(next, begun);
    while (sent != text.size()) {
        read_all(*client, client_got);
        send();
    }
    EXPECT_EQ(target->begun(), 0u);
    read_all(*client, client_got);
    EXPECT_EQ(client_got, text);
}

TEST_F(tls, small_pieces_share_a_record) {
    connect(psk());
    ASSERT_TRUE(greet());
    std::string text = pattern(24 * 100);
    std::vector<iovec> v;
    for (std::size_t i = 0; i < 100; ++i)
        v.push_back({text.data() + i * 24, 24});
    ASSERT_EQ(client->send(v).bytes, text.size());
    std::string wire(10000, '\0');
    const auto n = ::recv(target->socket(), wire.data(), wire.size(), MSG_PEEK);
    EXPECT_LT(n, static_cast<ssize_t>(text.size()) + 64);
    read_all(*target, target_got);
    EXPECT_EQ(target_got, text);
}

TEST_F(tls, a_stream_says_what_the_socket_does_not) {
    connect(psk());
    ASSERT_TRUE(greet());
    std::string text = pattern(10000);
    const iovec all{text.data(), text.size()};
    ASSERT_EQ(client->send({&all, 1}).bytes, text.size());
    std::array<char, 6000> some;
    const iovec to{some.data(), some.size()};
    EXPECT_EQ(target->receive({&to, 1}).bytes, 6000u);
    EXPECT_TRUE(target->holds_more());
    EXPECT_EQ(target->receive({&to, 1}).bytes, 4000u);
    EXPECT_FALSE(target->holds_more());
}

TEST_F(tls, an_end_in_order_comes_after_what_was_sent_before) {
    connect(psk());
    ASSERT_TRUE(greet());
    std::string text = "last words";
    const iovec v{text.data(), text.size()};
    ASSERT_EQ(client->send({&v, 1}).bytes, text.size());
    client->end_sending();
    EXPECT_EQ(read_all(*target, target_got), stream::state::ended);
    EXPECT_EQ(target_got, text);
    ASSERT_EQ(target->send({&v, 1}).bytes, text.size()) << "the other direction is open";
    EXPECT_EQ(read_all(*client, client_got), stream::state::open);
    EXPECT_EQ(client_got, text);
}

TEST_F(tls, an_end_without_a_word_is_none) {
    connect(psk());
    ASSERT_TRUE(greet());
    ::shutdown(client->socket(), SHUT_WR);
    EXPECT_EQ(read_all(*target, target_got), stream::state::broken);
}

TEST_F(tls, a_host_without_the_key_is_refused) {
    const auto refused = [this](tls_psk with, const char* sentence) {
        connect(std::move(with));
        EXPECT_FALSE(greet()) << sentence;
        EXPECT_EQ(read_all(*target, target_got), stream::state::broken) << sentence;
        EXPECT_EQ(read_all(*client, client_got), stream::state::broken) << sentence;
        EXPECT_TRUE(target->proven_identity().empty()) << sentence;
    };
    refused(psk(key_01, psk_version::zero, psk_reading::rfc8446, other_disk), "an identity that nobody has");
    tls_psk wrong = psk();
    wrong.key[5] ^= 1;
    refused(wrong, "another key");
    refused(psk(key_02), "a key that is not admitted");
    tls_psk misnamed = psk(key_02);
    misnamed.identity = psk().identity;
    refused(misnamed, "another hash under a name that is known");
    wrong.identity.clear();
    refused(wrong, "no name");
    keys->remove(disk, host);
    refused(psk(), "a host that was forgotten");
}

TEST_F(tls, a_peer_that_is_gone_breaks_the_stream) {
    connect(psk());
    ASSERT_TRUE(greet());
    client.reset();
    std::string text = "nobody reads this";
    const iovec v{text.data(), text.size()};
    EXPECT_EQ(target->send({&v, 1}).after, stream::state::broken);
    EXPECT_EQ(target->receive({&v, 1}).after, stream::state::broken);
}

TEST_F(tls, a_host_that_is_forgotten_stays_until_it_comes_again) {
    connect(psk());
    ASSERT_TRUE(greet());
    keys->remove(disk, host);
    std::string text = "still here";
    const iovec v{text.data(), text.size()};
    EXPECT_EQ(client->send({&v, 1}).bytes, text.size());
    EXPECT_EQ(read_all(*target, target_got), stream::state::open);
    EXPECT_EQ(target_got, text);
    EXPECT_EQ(target->proven_identity(), proof_of(host, disk));
}

TEST_F(tls, what_is_no_tls_breaks_the_stream) {
    std::string ic_req(128, '\0');
    ic_req[2] = ic_req[4] = static_cast<char>(128);
    for (const std::string& bytes : {ic_req, pattern(3000), std::string(1, '\x16') + "\x03\x01\x02" + pattern(2000),
                                     std::string("GET / HTTP/1.1\r\n\r\n"), std::string(20000, '\0')}) {
        const auto s = make_sockets();
        target = make_tls_server_stream(s.near, server);
        std::ignore = ::write(s.far, bytes.data(), bytes.size());
        if (read_all(*target, target_got) == stream::state::open)
            ::shutdown(s.far, SHUT_WR);
        EXPECT_EQ(read_all(*target, target_got), stream::state::broken);
        EXPECT_EQ(target->receive({}).after, stream::state::broken) << "and stays so";
        std::string text = "x";
        const iovec v{text.data(), text.size()};
        EXPECT_EQ(target->send({&v, 1}).after, stream::state::broken);
        target->end_sending();
        ::close(s.far);
        EXPECT_TRUE(target_got.empty());
    }
}

/// Between the two ends, seeing and changing what goes by.
struct wire {
    int to_client, to_target;
    /// Moves at most so many bytes on; how many.
    static std::size_t move(int from, int to, std::size_t most,
                            const std::function<void(char*, std::size_t)>& change = {}) {
        std::string b(most, '\0');
        const auto n = ::recv(from, b.data(), b.size(), 0);
        if (n <= 0)
            return 0;
        if (change)
            change(b.data(), static_cast<std::size_t>(n));
        EXPECT_EQ(::send(to, b.data(), static_cast<std::size_t>(n), MSG_NOSIGNAL), n);
        return static_cast<std::size_t>(n);
    }
};

class tls_on_a_wire : public tls {
  protected:
    void lay_wire() {
        const auto t = make_sockets(), c = make_sockets();
        target = make_tls_server_stream(t.near, server);
        client = make_tls_client_stream(c.near, psk());
        w = {c.far, t.far};
    }
    void cut() {
        ::close(w.to_client);
        ::close(w.to_target);
    }
    wire w{};
};

TEST_F(tls_on_a_wire, byte_by_byte) {
    lay_wire();
    bool proven = false;
    for (int i = 0; i < 20000 && !proven; ++i) {
        ASSERT_EQ(read_all(*client, client_got), stream::state::open);
        ASSERT_EQ(read_all(*target, target_got), stream::state::open);
        wire::move(w.to_client, w.to_target, 1);
        wire::move(w.to_target, w.to_client, 1);
        proven = !target->proven_identity().empty();
    }
    EXPECT_TRUE(proven);
    cut();
}

TEST_F(tls_on_a_wire, cut_after_every_byte_of_a_host) {
    for (std::size_t limit = 0;; ++limit) {
        lay_wire();
        std::string text = "data";
        const iovec v{text.data(), text.size()};
        std::size_t moved = 0;
        bool sent = false;
        for (int i = 0; i < 8; ++i) {
            read_all(*client, client_got);
            sent = sent || client->send({&v, 1}).bytes == text.size();
            moved += wire::move(w.to_client, w.to_target, limit - moved);
            read_all(*target, target_got);
            wire::move(w.to_target, w.to_client, 100000);
        }
        cut();
        EXPECT_NE(read_all(*target, target_got), stream::state::open) << limit;
        if (std::exchange(target_got, {}) == text) {
            EXPECT_GT(limit, 200u);
            return;
        }
        ASSERT_LT(limit, 5000u);
    }
}

TEST_F(tls_on_a_wire, a_changed_byte_never_comes_through) {
    for (std::size_t at = 0; at < 700; at += 3) {
        lay_wire();
        std::string text = pattern(200);
        const iovec v{text.data(), text.size()};
        std::size_t moved = 0;
        const auto change = [&](char* bytes, std::size_t n) {
            if (at >= moved && at < moved + n)
                bytes[at - moved] = static_cast<char>(bytes[at - moved] ^ 0x41);
            moved += n;
        };
        bool sent = false;
        for (int i = 0; i < 8; ++i) {
            read_all(*client, client_got);
            sent = sent || client->send({&v, 1}).bytes == text.size();
            wire::move(w.to_client, w.to_target, 100000, change);
            read_all(*target, target_got);
            wire::move(w.to_target, w.to_client, 100000);
        }
        cut();
        EXPECT_TRUE(target_got.empty() || at >= moved) << at;
        target_got.clear();
    }
}

}  // namespace
}  // namespace causeway::tcp
