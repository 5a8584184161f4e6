// SPDX-License-Identifier: Apache-2.0
#pragma once

// Both ends of an encrypted connection, on a pair of sockets.

#include "wire/tls/tls_stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <sys/socket.h>

namespace causeway::tcp {

inline constexpr std::string_view key_01 = "NVMeTLSkey-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:";
inline constexpr std::string_view key_02 =
    "NVMeTLSkey-1:02:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vcSEgBQ==:";
inline const std::string host = "nqn.2024-01.io.example:host";
inline const std::string disk = "nqn.2024-01.io.example:disk";
inline const std::string other_disk = "nqn.2024-01.io.example:other";

struct pair_of_sockets {
    int near, far;
};
inline pair_of_sockets make_sockets(int buffer = 0) {
    int s[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    for (const int fd : s) {
        ::fcntl(fd, F_SETFL, O_NONBLOCK);
        if (buffer)
            ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    }
    return {s[0], s[1]};
}

inline std::string pattern(std::size_t size, unsigned seed = 1) {
    std::string s(size, '\0');
    for (std::size_t i = 0; i < size; ++i)
        s[i] = static_cast<char>((i * 131 + i / 251 + seed) & 0xff);
    return s;
}

/// What a stream gives, into pieces of one size, until nothing comes.
inline stream::state read_all(stream& s, std::string& to, std::size_t piece = 5000) {
    for (;;) {
        std::string a(piece, '\0'), b(piece / 3 + 1, '\0');
        const iovec v[] = {{a.data(), a.size()}, {b.data(), b.size()}};
        const auto got = s.receive(v);
        to += (a + b).substr(0, got.bytes);
        if (got.after != stream::state::open)
            return got.after;
        if (got.bytes == 0) {
            EXPECT_FALSE(s.holds_more());
            return got.after;
        }
    }
}

class tls : public testing::Test {
  protected:
    void SetUp() override {
        EXPECT_TRUE(keys->admit(disk, host, key_01));
        ERR_clear_error();
    }
    void TearDown() override { EXPECT_EQ(ERR_peek_error(), 0u) << "left to the next connection of this thread"; }

    static tls_psk psk(std::string_view key = key_01, psk_version version = psk_version::zero,
                       psk_reading reading = psk_reading::rfc8446, const std::string& subnqn = disk) {
        return *derive_tls_psk(*parse_psk(key), version, reading, host, subnqn);
    }
    void connect(tls_psk with, int buffer = 0) {
        const auto s = make_sockets(buffer);
        target = make_tls_server_stream(s.near, server);
        client = make_tls_client_stream(s.far, std::move(with));
    }
    /// Until neither end goes on by itself. True: both are open, and the host has proved who it is.
    bool greet() {
        for (int i = 0; i < 8; ++i) {
            if (read_all(*client, client_got) != stream::state::open)
                return false;
            if (read_all(*target, target_got) != stream::state::open)
                return false;
        }
        return !target->proven_identity().empty();
    }
    static void send_all(stream& from, stream& to, const std::string& text, std::string& got, std::size_t piece) {
        for (std::size_t sent = 0; sent != text.size();) {
            std::vector<iovec> v;
            std::size_t at = sent;
            for (std::size_t n = 1; v.size() < 40 && at != text.size(); n = n == 1 ? piece : 1) {
                v.push_back({const_cast<char*>(text.data() + at), std::min(n, text.size() - at)});
                at += v.back().iov_len;
            }
            const auto gone = from.send(v);
            ASSERT_EQ(gone.after, stream::state::open);
            ASSERT_LE(gone.bytes, at - sent);
            sent += gone.bytes;
            ASSERT_EQ(read_all(to, got, 4096), stream::state::open);
        }
    }

    const std::shared_ptr<psk_store> keys = std::make_shared<psk_store>();
    const std::shared_ptr<tls_server> server = make_tls_server(keys);
    std::unique_ptr<stream> target, client;
    std::string target_got, client_got;
};

}  // namespace causeway::tcp
