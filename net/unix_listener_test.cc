// SPDX-License-Identifier: Apache-2.0
#include "net/unix_listener.h"

#include "net/testing/net_fixture.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <vector>

namespace causeway::net {
namespace {

namespace fs = std::filesystem;

class unix_listener_test : public ::testing::Test {
  protected:
    test::scratch_directory directory_;
    const std::string path_ = directory_ / "s";
};

TEST_F(unix_listener_test, accepts_each_of_many_clients_once) {
    constexpr int clients = 40;
    auto listener = unix_listener::listen(path_);
    ASSERT_TRUE(listener) << listener.error().text();
    std::vector<core::unique_fd> near, far;
    for (char i = 0; i < clients; ++i) {
        near.push_back(test::connect_to(path_));
        ASSERT_EQ(::send(near.back().get(), &i, 1, 0), 1);
    }
    std::set<char> seen;
    for (int i = 0; i < clients; ++i) {
        auto fd = listener->accept();
        ASSERT_TRUE(fd && *fd);
        char first = -1;
        ASSERT_EQ(::recv(fd->get(), &first, 1, 0), 1);
        EXPECT_EQ(::recv(fd->get(), &first, 1, 0), -1) << "it does not block";
        EXPECT_EQ(errno, EAGAIN);
        seen.insert(first);
        far.push_back(std::move(*fd));
    }
    EXPECT_EQ(seen.size(), static_cast<std::size_t>(clients));
    const auto none = listener->accept();
    EXPECT_TRUE(none && !*none);
}

TEST_F(unix_listener_test, removes_its_socket_and_its_lock) {
    std::optional<unix_listener> listener(std::move(*unix_listener::listen(path_)));
    EXPECT_TRUE(fs::is_socket(path_));
    EXPECT_TRUE(fs::exists(path_ + ".lock"));
    listener.reset();
    EXPECT_TRUE(directory_.empty());
}

TEST_F(unix_listener_test, refuses_the_path_of_a_living_process) {
    const auto first = unix_listener::listen(path_);
    const auto second = unix_listener::listen(path_);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, EADDRINUSE);
    EXPECT_TRUE(test::connect_to(path_)) << "the first is unharmed";
}

TEST_F(unix_listener_test, replaces_the_socket_of_a_dead_process) {
    {
        core::unique_fd left(::socket(AF_UNIX, SOCK_STREAM, 0));
        const sockaddr_un address = test::address_of(path_);
        ASSERT_EQ(::bind(left.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        std::ofstream(path_ + ".lock");
    }
    auto listener = unix_listener::listen(path_);
    ASSERT_TRUE(listener) << listener.error().text();
    const auto client = test::connect_to(path_);
    EXPECT_TRUE(*listener->accept());
}

TEST_F(unix_listener_test, leaves_a_file_alone_that_is_not_a_socket) {
    std::ofstream(path_) << "precious";
    const auto s = unix_listener::listen(path_);
    ASSERT_FALSE(s);
    EXPECT_EQ(s.error().code, EEXIST);
    EXPECT_TRUE(fs::is_regular_file(path_));
    EXPECT_FALSE(fs::exists(path_ + ".lock"));
}

TEST_F(unix_listener_test, refuses_a_path_that_no_socket_can_have) {
    EXPECT_EQ(unix_listener::listen(std::string(108, 'x')).error().code, EINVAL);
    EXPECT_EQ(unix_listener::listen(directory_ / "no/such").error().code, ENOENT);
}

}  // namespace
}  // namespace causeway::net
