// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "core/unique_fd.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace causeway::tools {

using json = nlohmann::ordered_json;

inline constexpr const char* default_socket = "/var/tmp/spdk.sock";

/// Asks a gateway over its JSON-RPC socket, one call after the other. Blocks.
class rpc_client {
  public:
    /// ENOENT, ECONNREFUSED: no gateway listens there. The sentence is for people.
    static core::result<rpc_client> connect(const std::string& path);
    rpc_client(rpc_client&& other) noexcept = default;
    rpc_client& operator=(rpc_client&&) = delete;

    /// The result. An error's code is the gateway's own, negative as it comes; EPIPE: the gateway has gone.
    core::result<json> call(const std::string& method, const json& params = nullptr);

  private:
    explicit rpc_client(core::unique_fd fd) noexcept : fd_(std::move(fd)) {}
    core::result<> send(std::string text);
    core::result<std::string> read_line();

    core::unique_fd fd_;
    std::string in_;
    unsigned last_id_ = 0;
};

}  // namespace causeway::tools
