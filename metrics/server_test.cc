// SPDX-License-Identifier: Apache-2.0
#include "metrics/server.h"

#include "core/blocking_pool.h"
#include "core/testing/core_fixture.h"
#include "core/thread_runner.h"
#include "core/unique_fd.h"
#include "metrics/families.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace causeway::metrics {
namespace {

using ::testing::HasSubstr;

core::unique_fd connect_to(int port) {
    core::unique_fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return fd;
}

/// The whole answer to a request.
std::string get(int port, const std::string& path) {
    const core::unique_fd fd = connect_to(port);
    const std::string request = "GET " + path + " HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n";
    EXPECT_EQ(::send(fd.get(), request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
    std::string answer;
    char piece[4096];
    for (ssize_t n; (n = ::recv(fd.get(), piece, sizeof piece, 0)) > 0;)
        answer.append(piece, static_cast<std::size_t>(n));
    return answer;
}

/// A control reactor on a thread, and metrics that say how often they were collected.
class metrics_server_test : public ::testing::Test {
  protected:
    server::collector collector() {
        return [this] { return collect(); };
    }
    core::task<std::vector<prometheus::MetricFamily>> collect() {
        EXPECT_EQ(core::reactor::current(), &group.control());
        families all;
        all.add_counter("causeway_test_collections_total", "How often.", {{"who", "a \"quoted\"\nname"}},
                        ++collections);
        co_return std::move(all).take();
    }

    core::tsc_clock clock;
    core::blocking_pool blocking;
    core::reactor_group group{{0}, clock, blocking};
    core::thread_runner runner{group};
    double collections = 0;
};

TEST_F(metrics_server_test, serves_what_is_collected_at_each_request) {
    auto made = server::listen("127.0.0.1:0", group.control(), collector());
    ASSERT_TRUE(made) << made.error().text();
    for (const char* count : {" 1\n", " 2\n"}) {
        const std::string page = get((*made)->port(), "/metrics");
        EXPECT_THAT(page, HasSubstr("200 OK"));
        EXPECT_THAT(page, HasSubstr("# TYPE causeway_test_collections_total counter"));
        EXPECT_THAT(page,
                    HasSubstr(std::string("causeway_test_collections_total{who=\"a \\\"quoted\\\"\\nname\"}") + count));
    }
    EXPECT_THAT(get((*made)->port(), "/else"), HasSubstr("404"));
}

TEST_F(metrics_server_test, an_address_that_is_taken_or_none_is_refused_and_says_what_to_give) {
    auto first = server::listen("127.0.0.1:0", group.control(), collector());
    ASSERT_TRUE(first);
    for (const std::string& bad : {"127.0.0.1:" + std::to_string((*first)->port()), std::string("nowhere")}) {
        const auto made = server::listen(bad, group.control(), collector());
        ASSERT_FALSE(made) << bad;
        EXPECT_THAT(made.error().text(), HasSubstr("such as 127.0.0.1:10008"));
    }
}

TEST_F(metrics_server_test, a_client_that_sends_nothing_holds_up_no_other) {
    auto made = server::listen("127.0.0.1:0", group.control(), collector());
    ASSERT_TRUE(made);
    const core::unique_fd idle = connect_to((*made)->port());
    EXPECT_THAT(get((*made)->port(), "/metrics"), HasSubstr("200 OK"));
}

}  // namespace
}  // namespace causeway::metrics
