// SPDX-License-Identifier: Apache-2.0
#include "net/byte_connection.h"

#include "core/testing/core_fixture.h"

#include <functional>
#include <gtest/gtest.h>
#include <sys/socket.h>

namespace causeway::net {
namespace {

using namespace std::chrono_literals;

constexpr auto send_timeout = 30s;

/// A connection on a reactor whose turns the test decides, its user, and the socket of its peer.
class byte_connection_test : public ::testing::Test, protected byte_connection::user {
  protected:
    byte_connection_test() {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
        peer_ = core::unique_fd(ends[1]);
        bytes_ = std::make_shared<byte_connection>(reactors_[0], core::unique_fd(ends[0]), send_timeout,
                                                   static_cast<byte_connection::user&>(*this));
    }
    ~byte_connection_test() override {
        if (bytes_)
            bytes_->abandon();
    }

    bool wants_bytes() const noexcept override { return wants_ && (!echoes_ || bytes_->unsent() < echo_limit); }
    void on_bytes(std::string_view bytes) override {
        got_ += bytes;
        if (echoes_)
            bytes_->send(bytes);
    }
    void on_end() override {
        EXPECT_EQ(closed_, 0);
        ++ended_;
    }
    void on_sent() override { ++sent_; }
    void on_closed() override {
        ++closed_;
        if (releases_)
            bytes_.reset();
    }

    void turn(core::nanoseconds after = 1ms) { reactors_.turn_after(after); }
    /// How much of `text` the socket has taken.
    std::size_t peer_sends(std::string_view text) {
        return static_cast<std::size_t>(
            std::max<ssize_t>(::send(peer_.get(), text.data(), text.size(), MSG_NOSIGNAL), 0));
    }
    /// What is there now; "" also at the end.
    std::string peer_receives(std::size_t most = 1u << 20) {
        std::string text(most, 0);
        const ssize_t n = ::recv(peer_.get(), text.data(), text.size(), 0);
        text.resize(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
        return text;
    }
    bool peer_sees_end() {
        char c;
        return ::recv(peer_.get(), &c, 1, 0) == 0;
    }

    static constexpr std::size_t echo_limit = 100'000;

    core::test::manual_reactors reactors_;
    core::unique_fd peer_;
    std::shared_ptr<byte_connection> bytes_;
    bool wants_ = true, echoes_ = false, releases_ = false;
    std::string got_;
    int ended_ = 0, sent_ = 0, closed_ = 0;
};

TEST_F(byte_connection_test, hands_on_what_its_peer_sends) {
    peer_sends("one");
    turn();
    peer_sends(" two");
    turn();
    EXPECT_EQ(got_, "one two");
    EXPECT_EQ(ended_ + closed_, 0);
}

TEST_F(byte_connection_test, reads_nothing_that_its_user_does_not_want) {
    wants_ = false;
    bytes_->update();
    peer_sends("later");
    turn();
    EXPECT_EQ(got_, "");
    wants_ = true;
    bytes_->update();
    turn();
    EXPECT_EQ(got_, "later");
}

TEST_F(byte_connection_test, sends_to_a_half_closed_peer) {
    peer_sends("request");
    ::shutdown(peer_.get(), SHUT_WR);
    turn();
    turn();
    EXPECT_EQ(got_, "request");
    EXPECT_EQ(ended_, 1);
    bytes_->send("answer");
    turn();
    EXPECT_EQ(peer_receives(), "answer");
    EXPECT_EQ(closed_, 0);
    bytes_->close();
    EXPECT_EQ(closed_, 1);
    EXPECT_TRUE(peer_sees_end());
}

TEST_F(byte_connection_test, reads_a_peer_that_has_gone_to_its_end) {
    const std::string text(150'000, 'x');  // more than is read at once
    ASSERT_EQ(peer_sends(text), text.size());
    peer_.reset();
    turn();
    EXPECT_EQ(got_, text);
    EXPECT_EQ(ended_, 1);
    EXPECT_EQ(closed_, 1);
}

TEST_F(byte_connection_test, keeps_what_a_peer_that_has_gone_sent_until_its_user_wants_it) {
    wants_ = false;
    bytes_->update();
    peer_sends("last");
    peer_.reset();
    turn();
    EXPECT_EQ(got_, "");
    EXPECT_EQ(closed_, 0);
    wants_ = true;
    bytes_->update();
    EXPECT_EQ(got_, "last");
    EXPECT_EQ(closed_, 1);
}

TEST_F(byte_connection_test, reads_on_from_a_peer_that_does_not_read) {
    ::shutdown(peer_.get(), SHUT_RD);
    bytes_->send("nobody reads this");
    EXPECT_EQ(bytes_->unsent(), 0u) << "dropped";
    peer_sends("still here");
    turn();
    EXPECT_EQ(got_, "still here");
    EXPECT_EQ(closed_, 0);
}

TEST_F(byte_connection_test, reads_on_from_a_peer_that_stops_reading_while_something_waits) {
    bytes_->send(std::string(1u << 20, 'x'));
    bytes_->update();
    ASSERT_GT(bytes_->unsent(), 0u);
    ::shutdown(peer_.get(), SHUT_RD);
    bytes_->send("nobody reads this");
    bytes_->update();
    EXPECT_EQ(bytes_->unsent(), 0u) << "dropped";
    turn(2 * send_timeout);
    EXPECT_EQ(closed_, 0) << "nothing waits for the peer";
    peer_sends("still here");
    turn();
    EXPECT_EQ(got_, "still here");
}

TEST_F(byte_connection_test, sends_everything_to_a_slow_reader_in_order) {
    std::string text(4u << 20, 0);
    for (std::size_t i = 0; i < text.size(); ++i)
        text[i] = static_cast<char>(i * 31 >> 8);
    bytes_->send(text);
    bytes_->update();
    EXPECT_GT(bytes_->unsent(), 0u);
    std::string received;
    while (received.size() < text.size()) {
        const std::string more = peer_receives(300'000);
        ASSERT_FALSE(more.empty()) << received.size();
        received += more;
        turn();
    }
    EXPECT_TRUE(received == text);
    EXPECT_EQ(bytes_->unsent(), 0u);
    EXPECT_GT(sent_, 1);
    EXPECT_GT(bytes_->last_taken(), 0u);
}

TEST_F(byte_connection_test, closes_a_peer_that_takes_nothing) {
    bytes_->send(std::string(1u << 20, 'x'));
    bytes_->update();
    turn(send_timeout - 1s);
    EXPECT_EQ(closed_, 0);
    ASSERT_FALSE(peer_receives().empty());
    turn();  // the peer has taken something: the time counts anew
    turn(send_timeout - 1s);
    EXPECT_EQ(closed_, 0);
    turn(2s);
    EXPECT_EQ(closed_, 1);
    EXPECT_EQ(bytes_->unsent(), 0u);
}

TEST_F(byte_connection_test, lets_its_user_bound_what_waits) {
    echoes_ = true;
    const std::string piece(50'000, 'x');
    std::size_t taken = 0;
    for (int i = 0; i < 100; ++i) {
        taken += peer_sends(piece);
        turn();
        ASSERT_LE(bytes_->unsent(), echo_limit + (64u << 10));
    }
    EXPECT_LT(taken, 100 * piece.size()) << "the peer has to wait";
    std::string received;
    for (std::string more; more = peer_receives(), !more.empty(); turn())
        received += more;
    turn();
    EXPECT_EQ(received.size(), taken) << "all of it comes back";
}

TEST_F(byte_connection_test, may_be_released_when_it_closes) {
    releases_ = true;
    peer_sends("x");
    peer_.reset();
    turn();
    EXPECT_EQ(got_, "x");
    EXPECT_EQ(closed_, 1);
    EXPECT_EQ(bytes_, nullptr);
}

TEST_F(byte_connection_test, closes_once_and_drops_what_comes_after) {
    bytes_->close();
    bytes_->close();
    bytes_->send("late");
    bytes_->update();
    peer_sends("late");
    turn();
    EXPECT_EQ(closed_, 1);
    EXPECT_EQ(got_, "");
    EXPECT_TRUE(peer_sees_end());
}

TEST_F(byte_connection_test, calls_no_user_that_has_abandoned_it) {
    bytes_->send(std::string(1u << 20, 'x'));
    bytes_->update();
    peer_sends("x");
    bytes_->abandon();
    turn(2 * send_timeout);
    EXPECT_EQ(got_, "");
    EXPECT_EQ(sent_ + ended_ + closed_, 0);
}

}  // namespace
}  // namespace causeway::net
