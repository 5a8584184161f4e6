// SPDX-License-Identifier: Apache-2.0
#include "tools/rpc_client.h"

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>

namespace causeway::tools {
namespace {

using ::testing::HasSubstr;

/// Answers the first request with `answer`, or not at all, and stays until it is destroyed.
class fake_gateway {
  public:
    explicit fake_gateway(std::string answer) {
        std::string name = ::testing::TempDir() + "rpcXXXXXX";
        folder_ = ::mkdtemp(name.data());
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path().copy(address.sun_path, sizeof address.sun_path - 1);
        listener_ = core::unique_fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(::listen(listener_.get(), 1), 0);
        thread_ = std::thread([this, answer = std::move(answer)] {
            const core::unique_fd client(::accept(listener_.get(), nullptr, nullptr));
            char bytes[4096];
            if (::recv(client.get(), bytes, sizeof bytes, 0) > 0 && !answer.empty())
                ::send(client.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
            while (::recv(client.get(), bytes, sizeof bytes, 0) > 0)
                continue;
        });
    }
    /// REQUIRES: its client has gone.
    ~fake_gateway() {
        thread_.join();
        std::filesystem::remove_all(folder_);
    }
    fake_gateway(const fake_gateway&) = delete;
    fake_gateway& operator=(const fake_gateway&) = delete;

    std::string path() const { return folder_ + "/socket"; }

  private:
    std::string folder_;
    core::unique_fd listener_;
    std::thread thread_;
};

core::result<json> ask(const std::string& answer, const std::string& method = "spdk_get_version",
                       answer_limits limits = {}) {
    const fake_gateway gateway(answer);
    auto client = rpc_client::connect(gateway.path(), limits);
    EXPECT_TRUE(client);
    return client->call(method);
}

TEST(rpc_client, an_answer) {
    EXPECT_EQ(ask(R"({"jsonrpc": "2.0", "id": 1, "result": {"a": 7}})"
                  "\n"),
              (json{{"a", 7}}));
    const auto refused = ask(R"({"jsonrpc": "2.0", "id": 1, "error": {"code": -17, "message": "it is there"}})"
                             "\n");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, -17);
    EXPECT_EQ(refused.error().text(), "spdk_get_version: it is there");
    EXPECT_EQ(ask(R"({"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "no JSON"}})"
                  "\n")
                  .error()
                  .code,
              -32700);
}

TEST(rpc_client, what_is_no_answer_is_an_error) {
    for (const char* answer : {"garbage\n", "[]\n",
                               R"({"id": 1})"
                               "\n",
                               R"({"id": 1, "error": "no"})"
                               "\n",
                               R"({"id": 2, "result": true})"
                               "\n",
                               R"({"id": null, "result": true})"
                               "\n",
                               R"({"result": true})"
                               "\n"}) {
        const auto result = ask(answer);
        ASSERT_FALSE(result) << answer;
        EXPECT_EQ(result.error().code, EPROTO) << answer;
    }
    const auto strange = ask(R"({"id": 1, "error": {"code": "x", "message": 7}})"
                             "\n");
    ASSERT_FALSE(strange);
    EXPECT_THAT(strange.error().text(), HasSubstr("an error without a message"));
}

TEST(rpc_client, a_gateway_that_does_not_answer) {
    using std::chrono::hours, std::chrono::milliseconds;
    const auto reading = ask("", "bdev_get_bdevs", {.reading = milliseconds(50), .changing = hours(1)});
    ASSERT_FALSE(reading);
    EXPECT_EQ(reading.error().code, ETIMEDOUT);
    EXPECT_THAT(reading.error().text(), HasSubstr("the gateway does not answer"));
    const auto changing = ask(R"({"half": )", "bdev_null_create", {.reading = hours(1), .changing = milliseconds(50)});
    ASSERT_FALSE(changing);
    EXPECT_EQ(changing.error().code, ETIMEDOUT);
}

}  // namespace
}  // namespace causeway::tools
