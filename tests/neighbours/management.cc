// SPDX-License-Identifier: Apache-2.0
#include "tests/neighbours/management.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace causeway::neighbours {

namespace {

std::filesystem::path make_folder() {
    std::string name = (std::filesystem::temp_directory_path() / "causeway-neighbours-XXXXXX").string();
    return ::mkdtemp(name.data());
}

}  // namespace

management::management(core::simulation& s, bdev::registry& devices)
    : run_(s), homes_(s.group()), devices_(devices), folder_(make_folder()), path_(folder_ / "s"),
      cycle_([this]() -> core::task<core::result<>> {
          nvmf.target = std::make_unique<nvmf::target>(homes_, devices_);
          co_return core::result<>{};
      }),
      dispatcher_(run_.group().control(), methods_, cycle_) {
    for (const char* each : {"keyring", "nvmf"})
        config_.add_subsystem(each, {});
    rpc::add_nvmf_methods(methods_, config_, nvmf);
}

management::~management() {
    std::filesystem::remove_all(folder_);
}

core::task<> management::start() {
    const auto started = co_await cycle_.start();
    EXPECT_TRUE(started);
    auto socket = net::unix_listener::listen(path_);
    EXPECT_TRUE(socket) << socket.error().text();
    server_.emplace(run_.group().control(), dispatcher_, std::move(*socket));
}

core::task<> management::stop() {
    co_await server_->stop(std::chrono::seconds(1));
    EXPECT_EQ(server_->connections(), 0u);
    EXPECT_EQ(dispatcher_.running(), 0u);
    server_.reset();
    nvmf.target.reset();
}

management_client::management_client(const std::string& path)
    : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    path.copy(at.sun_path, sizeof at.sun_path - 1);
    closed_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0;
}

management_client::~management_client() {
    ::close(socket_);
}

bool management_client::send(std::string_view text) {
    return ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

bool management_client::answered() {
    char some[16384];
    const ssize_t n = ::recv(socket_, some, sizeof some, 0);
    closed_ = n == 0 || (n < 0 && errno != EAGAIN);
    return closed_ || (n > 0 && some[n - 1] == '\n');
}

}  // namespace causeway::neighbours
