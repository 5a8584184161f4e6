// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "core/unique_fd.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace causeway::tools {

using json = nlohmann::ordered_json;

inline constexpr const char* default_socket = "/var/tmp/spdk.sock";

/// How long a gateway may take to answer.
struct answer_limits {
    std::chrono::milliseconds reading{std::chrono::seconds(60)};    ///< methods that change nothing: …_get_…
    std::chrono::milliseconds changing{std::chrono::seconds(300)};  ///< all others: an image may take its time to open
};

/// Asks a gateway over its JSON-RPC socket, one call after the other. Blocks.
class rpc_client {
  public:
    /// ENOENT, ECONNREFUSED: no gateway listens there. ETIMEDOUT: it accepts no connections. The sentence is for
    /// people.
    static core::result<rpc_client> connect(const std::string& path, answer_limits limits = {});
    rpc_client(rpc_client&& other) noexcept = default;
    rpc_client& operator=(rpc_client&&) = delete;

    /// The result. An error's code is the gateway's own, negative as it comes; EPIPE: the gateway has gone; ETIMEDOUT:
    /// it does not answer, and no further call can be made; EPROTO: what it answers is no answer. framework_wait_init
    /// has no limit: it answers when the gateway has started.
    core::result<json> call(const std::string& method, const json& params = nullptr);

  private:
    using time_point = std::chrono::steady_clock::time_point;

    rpc_client(core::unique_fd fd, answer_limits limits) noexcept : fd_(std::move(fd)), limits_(limits) {}
    core::result<> wait_for(short events, time_point until);
    core::result<> send(const std::string& text, time_point until);
    core::result<std::string> read_line(time_point until);

    core::unique_fd fd_;
    answer_limits limits_;
    std::string in_;
    unsigned last_id_ = 0;
};

}  // namespace causeway::tools
