// SPDX-License-Identifier: Apache-2.0
#include "rpc/server.h"

#include "core/clock.h"
#include "net/testing/net_fixture.h"
#include "rpc/params.h"

#include <atomic>
#include <future>
#include <gtest/gtest.h>
#include <poll.h>
#include <set>
#include <sys/socket.h>
#include <thread>

namespace causeway::rpc {
namespace {

using namespace std::chrono_literals;

struct sized {
    std::uint32_t bytes = 0;
};
const declaration<sized> text_method = {
    .name = "text", .when = states::any, .parameters = {required("bytes", &sized::bytes, "How many.")}};

/// A client that blocks, as most do.
class client {
  public:
    explicit client(const std::string& path) : fd_(net::test::connect_to(path)) {}

    void send(std::string_view text) {
        while (!text.empty()) {
            const ssize_t n = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
            ASSERT_GT(n, 0);
            text.remove_prefix(static_cast<std::size_t>(n));
        }
    }
    /// A line without its end; "end" when the server has closed.
    std::string line(std::chrono::milliseconds timeout = 10s) {
        for (;;) {
            if (const auto end = in_.find('\n'); end != std::string::npos) {
                std::string l = in_.substr(0, end);
                in_.erase(0, end + 1);
                return l;
            }
            pollfd p{fd_.get(), POLLIN, 0};
            if (::poll(&p, 1, static_cast<int>(timeout.count())) != 1)
                return "silence";
            char bytes[65536];
            const ssize_t n = ::recv(fd_.get(), bytes, sizeof bytes, 0);
            if (n <= 0)
                return n == 0 ? "end" : "error";
            in_.append(bytes, static_cast<std::size_t>(n));
        }
    }
    void half_close() { ::shutdown(fd_.get(), SHUT_WR); }
    int fd() const { return fd_.get(); }

  private:
    core::unique_fd fd_;
    std::string in_;
};

constexpr const char* pong = R"({"jsonrpc":"2.0","id":1,"result":"pong"})";
constexpr const char* ping = R"({"jsonrpc": "2.0", "id": 1, "method": "ping"})";

/// A server on a reactor that really runs.
class rpc_server : public ::testing::Test {
  protected:
    struct no_blocking final : core::blocking_executor {
        void submit(std::function<void()>) override { FAIL() << "nothing here blocks"; }
    };

    rpc_server() {
        methods_.add(declaration<>{.name = "ping", .when = states::any}, [this] {
            ++pings_;
            return answer(json("pong"));
        });
        methods_.add(declaration<>{.name = "slow", .when = states::any}, [this]() -> core::task<answer> {
            ++slow_begun_;
            while (!let_go_)
                co_await core::sleep_for(1ms);
            ++slow_ended_;
            co_return json("at last");
        });
        methods_.add(text_method, [](const sized& s) -> answer { return json(std::string(s.bytes, 'x')); });
    }
    ~rpc_server() override { stop(); }

    void start(server_options options = {}) {
        auto s = net::unix_listener::listen(path_);
        ASSERT_TRUE(s) << s.error().text();
        server_ = std::make_unique<server>(group_.control(), dispatcher_, std::move(*s), options);
        thread_ = std::thread([this] { group_.control().run(); });
    }
    void stop() {
        let_go_ = true;
        if (!thread_.joinable())
            return;
        std::promise<void> stopped;
        group_.control().execute([&] {
            core::detach([](rpc_server& self, std::promise<void>& stopped) -> core::task<> {
                co_await self.server_->stop(2s);
                self.server_.reset();
                stopped.set_value();
            }(*this, stopped));
        });
        stopped.get_future().wait();
        group_.control().stop();
        thread_.join();
    }
    /// On the control reactor.
    std::size_t connections() {
        std::promise<std::size_t> n;
        group_.control().execute([&] { n.set_value(server_->connections()); });
        return n.get_future().get();
    }
    template <class F>
    static bool soon(F f) {
        for (int i = 0; i < 5000; ++i) {
            if (f())
                return true;
            std::this_thread::sleep_for(1ms);
        }
        return false;
    }

    net::test::scratch_directory directory_;
    const std::string path_ = directory_ / "s";
    std::atomic<int> pings_{0}, slow_begun_{0}, slow_ended_{0};
    std::atomic<bool> let_go_{false};
    /// Of a machine that has just started: its time is shorter than any limit.
    struct young_clock final : core::clock {
        core::ticks now() const noexcept override { return real.now() - begun; }
        core::ticks per_second() const noexcept override { return real.per_second(); }
        core::tsc_clock real;
        core::ticks begun = real.now();
    };

    young_clock time_;
    no_blocking blocking_;
    core::reactor_group group_{{0}, time_, blocking_};
    method_table methods_;
    lifecycle cycle_{[]() -> core::task<core::result<>> { co_return core::result<>{}; }};
    dispatcher dispatcher_{group_.control(), methods_, cycle_};
    std::unique_ptr<server> server_;
    std::thread thread_;
};

TEST_F(rpc_server, answers_with_a_line) {
    start();
    client c(path_);
    c.send(ping);
    EXPECT_EQ(c.line(), pong);
    c.send("\n {\"id\":\n1,\n\"method\": \"ping\"}\n");
    EXPECT_EQ(c.line(), pong);
}

TEST_F(rpc_server, needs_no_particular_pieces) {
    start();
    client c(path_);
    const std::string two = std::string(ping) + ping;
    for (std::size_t i = 1; i < two.size(); i += 7) {
        c.send(two.substr(0, i));
        std::this_thread::sleep_for(200us);
        c.send(two.substr(i));
        EXPECT_EQ(c.line(), pong);
        EXPECT_EQ(c.line(), pong);
    }
}

TEST_F(rpc_server, serves_many_requests_of_one_piece) {
    start();
    client c(path_);
    std::string many;
    for (int i = 0; i < 2000; ++i)
        many += ping;
    std::thread sender([&] { c.send(many); });
    for (int i = 0; i < 2000; ++i)
        ASSERT_EQ(c.line(), pong) << i;
    sender.join();
}

TEST_F(rpc_server, a_slow_request_holds_up_no_other) {
    start();
    client c(path_);
    c.send(R"({"id": 2, "method": "slow"})");
    c.send(ping);
    EXPECT_EQ(c.line(), pong);
    let_go_ = true;
    EXPECT_EQ(c.line(), R"({"jsonrpc":"2.0","id":2,"result":"at last"})");
}

TEST_F(rpc_server, at_most_so_many_requests_of_a_client_run_and_the_rest_comes_after_them) {
    start({.each = {.running = 3}});
    client c(path_);
    for (int i = 0; i < 5; ++i)
        c.send(R"({"id": 2, "method": "slow"})");
    c.send(ping);
    EXPECT_TRUE(soon([&] { return slow_begun_ == 3; }));
    EXPECT_EQ(c.line(50ms), "silence");
    EXPECT_EQ(slow_begun_, 3);
    let_go_ = true;
    std::multiset<std::string> lines;
    for (int i = 0; i < 6; ++i)
        lines.insert(c.line());
    EXPECT_EQ(lines.count(pong), 1u);
    EXPECT_EQ(lines.size(), 6u);
}

TEST_F(rpc_server, what_is_no_JSON_is_answered_and_ends_the_connection) {
    start();
    for (const char* text : {"hello", "{\"id\": 1, oops", "[1, 2}", "{\"id\": \"\xff\"}"}) {
        client c(path_);
        c.send(ping);
        EXPECT_EQ(c.line(), pong);
        c.send(std::string(text) + ping);  // in one go: the server closes when it has seen the first part
        EXPECT_NE(c.line().find("\"id\":null,\"error\":{\"code\":-32700,"), std::string::npos) << text;
        EXPECT_EQ(c.line(), "end") << text;
    }
    EXPECT_EQ(pings_, 4);
}

TEST_F(rpc_server, a_nesting_bomb_ends_the_connection) {
    start();
    client c(path_);
    c.send(std::string(10'000, '['));
    EXPECT_NE(c.line().find("nested deeper than 64 levels"), std::string::npos);
    EXPECT_EQ(c.line(), "end");
}

TEST_F(rpc_server, a_request_has_its_greatest_size) {
    start();
    const std::string head = R"({"id": 1, "method": "ping", "params": null)", tail = "}";
    client c(path_);
    c.send(head + std::string((256u << 10) - head.size() - tail.size(), ' ') + tail);
    EXPECT_EQ(c.line(), pong);
    c.send(std::string(1 << 20, ' '));
    c.send(ping);
    EXPECT_EQ(c.line(), pong) << "white space between requests is of no request";
    c.send(head + std::string((256u << 10) - head.size() - tail.size() + 1, ' ') + tail);
    EXPECT_NE(c.line().find("a request has at most 262144 bytes"), std::string::npos);
    EXPECT_EQ(c.line(), "end");
}

TEST_F(rpc_server, a_client_that_has_said_all_gets_its_answers) {
    start();
    client c(path_);
    c.send(R"({"id": 2, "method": "slow"})");
    c.send(ping);
    c.half_close();
    EXPECT_EQ(c.line(), pong);
    let_go_ = true;
    EXPECT_NE(c.line().find("at last"), std::string::npos);
    EXPECT_EQ(c.line(), "end");
    client idle(path_);
    idle.half_close();
    EXPECT_EQ(idle.line(), "end");
}

TEST_F(rpc_server, half_a_request_at_the_end_is_an_error) {
    start();
    client c(path_);
    c.send(R"({"id": 1, "meth)");
    c.half_close();
    EXPECT_NE(c.line().find("-32700"), std::string::npos);
    EXPECT_EQ(c.line(), "end");
}

TEST_F(rpc_server, a_request_outlives_its_client) {
    start();
    {
        client c(path_);
        c.send(R"({"id": 2, "method": "slow"})");
        ASSERT_TRUE(soon([&] { return slow_begun_ == 1; }));
    }
    EXPECT_TRUE(soon([&] { return connections() == 0; }));
    let_go_ = true;
    EXPECT_TRUE(soon([&] { return slow_ended_ == 1; }));
    client next(path_);
    next.send(ping);
    EXPECT_EQ(next.line(), pong);
}

TEST_F(rpc_server, a_client_may_send_and_go) {
    start();
    {
        client c(path_);
        for (int i = 0; i < 10; ++i)
            c.send(ping);
    }
    EXPECT_TRUE(soon([&] { return pings_ == 10; }));
    EXPECT_TRUE(soon([&] { return connections() == 0; }));
}

TEST_F(rpc_server, a_client_that_does_not_read_gets_no_more_and_is_dropped) {
    start({.each = {.unread_mark = 100'000, .timeout = 200ms}});
    client c(path_);
    const std::string request = R"({"id": 1, "method": "text", "params": {"bytes": 10000}})";
    // Goes on until nothing is taken any more: what the server holds is bounded.
    std::size_t sent = 0;
    for (int i = 0; i < 200'000; ++i) {
        if (::send(c.fd(), request.data(), request.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
            if (errno == EPIPE || errno == ECONNRESET)
                break;
            std::this_thread::sleep_for(1ms);
        } else {
            ++sent;
        }
        if (sent > 100'000)
            break;
    }
    EXPECT_LT(sent, 100'000u);
    EXPECT_TRUE(soon([&] { return connections() == 0; }));
    client next(path_);
    next.send(ping);
    EXPECT_EQ(next.line(), pong);
}

TEST_F(rpc_server, a_long_answer_reaches_a_client_that_reads) {
    start();
    client c(path_);
    constexpr unsigned size = 30u << 20;
    c.send(R"({"id": 1, "method": "text", "params": {"bytes": )" + std::to_string(size) + "}}");
    EXPECT_GT(c.line(60s).size(), size);
    c.send(ping);
    EXPECT_EQ(c.line(), pong);
}

TEST_F(rpc_server, a_newcomer_takes_the_place_of_the_client_that_has_been_idle_for_longest) {
    start({.connections = 3});
    std::vector<std::unique_ptr<client>> some;
    for (int i = 0; i < 3; ++i) {
        some.push_back(std::make_unique<client>(path_));
        some.back()->send(ping);
        EXPECT_EQ(some.back()->line(), pong);
    }
    some[0]->send(ping);
    EXPECT_EQ(some[0]->line(), pong);
    client next(path_);
    next.send(ping);
    EXPECT_EQ(next.line(), pong);
    EXPECT_EQ(some[1]->line(), "end");
    for (const int others : {0, 2}) {
        some[others]->send(ping);
        EXPECT_EQ(some[others]->line(), pong);
    }
}

TEST_F(rpc_server, a_full_house_of_idle_clients_locks_no_operator_out) {
    start();
    std::vector<std::unique_ptr<client>> idle;
    for (unsigned i = 0; i < server_options().connections; ++i) {
        idle.push_back(std::make_unique<client>(path_));
        if (i % 2)
            idle.back()->send(R"({"id": 1, "met)");
    }
    for (int i = 0; i < 3; ++i) {
        client operators(path_);
        operators.send(ping);
        EXPECT_EQ(operators.line(), pong);
    }
}

TEST_F(rpc_server, a_place_is_kept_where_all_clients_wait_for_answers) {
    start({.connections = 2, .busy_limit = 1h});
    client first(path_), second(path_);
    for (client* c : {&first, &second})
        c->send(R"({"id": 2, "method": "slow"})");
    ASSERT_TRUE(soon([&] { return slow_begun_ == 2; }));
    for (int i = 0; i < 3; ++i) {
        client next(path_);
        next.send(ping);
        EXPECT_EQ(next.line(), pong);
    }
    let_go_ = true;
    for (client* c : {&first, &second})
        EXPECT_EQ(c->line(), R"({"jsonrpc":"2.0","id":2,"result":"at last"})");
}

TEST_F(rpc_server, a_client_that_waits_for_ever_loses_its_place_in_the_end) {
    start({.connections = 1, .busy_limit = 0ns});
    client first(path_);
    first.send(R"({"id": 2, "method": "slow"})");
    ASSERT_TRUE(soon([&] { return slow_begun_ == 1; }));
    client next(path_);
    next.send(ping);
    EXPECT_EQ(next.line(), pong);
    EXPECT_EQ(first.line(), "end");
    let_go_ = true;
    EXPECT_TRUE(soon([&] { return slow_ended_ == 1; })) << "its call goes on without it";
}

TEST_F(rpc_server, a_request_that_does_not_come_whole_ends_its_connection) {
    start({.each = {.request_time = 50ms}});
    client half(path_), idle(path_);
    half.send(ping);
    EXPECT_EQ(half.line(), pong);
    half.send(R"({"id": 1, "met)");
    EXPECT_NE(half.line().find("a request must come whole within"), std::string::npos);
    EXPECT_EQ(half.line(), "end");
    idle.send(ping);
    EXPECT_EQ(idle.line(), pong) << "a client may be idle between its requests";
}

TEST_F(rpc_server, what_clients_together_have_not_read_is_bounded) {
    start({.unread_bytes = 8u << 20});
    std::vector<std::unique_ptr<client>> deaf;
    for (int i = 0; i < 5; ++i) {
        deaf.push_back(std::make_unique<client>(path_));
        deaf.back()->send(R"({"id": 1, "method": "text", "params": {"bytes": 4000000}})");
    }
    EXPECT_TRUE(soon([&] { return connections() <= 2; }));
    client next(path_);
    next.send(ping);
    EXPECT_EQ(next.line(), pong);
}

TEST_F(rpc_server, stop_lets_what_runs_be_answered) {
    start();
    client busy(path_), idle(path_);
    busy.send(R"({"id": 2, "method": "slow"})");
    ASSERT_TRUE(soon([&] { return slow_begun_ == 1; }));
    std::thread stopper([&] { stop(); });
    EXPECT_EQ(idle.line(), "end");
    let_go_ = true;
    EXPECT_NE(busy.line().find("at last"), std::string::npos);
    EXPECT_EQ(busy.line(), "end");
    stopper.join();
    EXPECT_TRUE(directory_.empty()) << "socket and lock are gone";
}

}  // namespace
}  // namespace causeway::rpc
