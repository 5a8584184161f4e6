// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/simulation.h"
#include "core/task.h"
#include "rpc/dispatcher.h"
#include "rpc/nvmf_service.h"
#include "rpc/server.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace causeway::neighbours {

/// The gateway's management interface: its target, the methods of it, and a server on a Unix socket.
class management {
  public:
    management(core::simulation& s, bdev::registry& devices);
    ~management();
    core::task<> start();
    core::task<> stop();

    const std::string& path() const noexcept { return path_; }
    std::size_t clients() const noexcept { return server_->connections(); }

    rpc::nvmf_service nvmf;

  private:
    core::simulation& run_;
    core::placement homes_;
    bdev::registry& devices_;
    const std::filesystem::path folder_;
    const std::string path_;
    rpc::saved_config config_;
    rpc::method_table methods_;
    rpc::lifecycle cycle_;
    rpc::dispatcher dispatcher_;
    std::optional<rpc::server> server_;
};

/// A client of it that never blocks.
class management_client {
  public:
    explicit management_client(const std::string& path);
    ~management_client();
    management_client(const management_client&) = delete;
    /// False: the socket takes no more of it.
    bool send(std::string_view text);
    /// Receives what has arrived. True: a line is complete, or the server has closed the connection.
    bool answered();
    bool closed() const noexcept { return closed_; }
    /// A call whose answer is some kilobytes.
    static constexpr std::string_view question = R"({"jsonrpc": "2.0", "id": 1, "method": "nvmf_get_subsystems"})";

  private:
    int socket_;
    bool closed_ = false;
};

}  // namespace causeway::neighbours
