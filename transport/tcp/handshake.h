// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/callback.h"
#include "core/reactor.h"
#include "core/timer.h"
#include "nvmf/transport.h"
#include "transport/tcp/handshake_result.h"
#include "transport/tcp/term_req.h"

#include <array>
#include <functional>
#include <memory>
#include <optional>

namespace causeway::tcp {

/// The beginning of a connection: ICReq, ICResp, and the header of the first capsule, which says what queue it will be.
/// Lives on the core that accepted it, for a limited time, and costs that core less than a kilobyte.
class handshake {
  public:
    enum class outcome : std::uint8_t {
        established,
        refused,  ///< its stream is to be ended with term_req()
        timed_out,
        evicted,  ///< to make room for others
        lost,
    };
    /// Called once, and destroys the handshake.
    using function = std::function<void(handshake& done, outcome how)>;

    handshake(core::reactor& home, std::unique_ptr<common::connection_permit> permit, std::unique_ptr<stream> s,
              const nvmf::transport_options& options, std::shared_ptr<const nvmf::port> port,
              nvmf::transport_address local, nvmf::transport_address peer, function done);

    /// What has become of it, to be taken from `done`: the stream and the addresses in any case.
    handshake_result& result() noexcept { return result_; }
    const tcp::term_req& term_req() const noexcept { return term_req_; }

  private:
    enum class step : std::uint8_t { initializing, responding, identifying };

    void on_ready();
    /// Nothing: it goes on when the socket says so.
    std::optional<outcome> advance();
    std::optional<outcome> received();
    std::optional<outcome> initialize();
    void identify();
    outcome refuse(const violation& v);
    template <class T>
    const T& as() const noexcept {
        return *reinterpret_cast<const T*>(buffer_.data());
    }

    const nvmf::transport_options& options_;
    core::callback<handshake&, outcome> done_;
    handshake_result result_;
    step step_ = step::initializing;
    alignas(8) std::array<std::byte, sizeof(nvme::tcp_ic_req)> buffer_;  ///< what is received, or sent
    std::size_t filled_ = 0;                                             ///< bytes of it, done
    std::size_t wanted_ = sizeof(nvme::tcp_common_header);
    tcp::term_req term_req_;
    core::fd_watch watch_;
    core::timer limit_;
};

}  // namespace causeway::tcp
