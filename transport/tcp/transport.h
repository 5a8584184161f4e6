// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/counter_registry.h"
#include "nvmf/transport.h"
#include "transport/common/connection_limiter.h"
#include "transport/common/core_groups.h"
#include "transport/common/listeners.h"
#include "transport/ip/address.h"
#include "transport/tcp/connection.h"
#include "transport/tcp/listener.h"
#include "transport/tcp/options.h"
#include "transport/tcp/poll_group.h"
#include "wire/tls/tls_stream.h"

#include <memory>
#include <vector>

namespace causeway::tcp {

/// The TCP fabric: listeners, connections, and what each core has for them. Control reactor, but for the statistics,
/// which are counters.
class tcp_transport final : public nvmf::transport {
  public:
    tcp_transport(nvmf::target& target, transport_options options, const common::connection_limits& limits);

    // nvmf::transport
    std::string_view trtype() const noexcept override { return "TCP"; }
    nvme::transport_type type() const noexcept override { return nvme::transport_type::tcp; }
    const transport_options& options() const noexcept override { return options_; }
    nvmf::own_option_list own_options() const override { return nvmf::list_own_options(tcp::own_options, options_); }
    core::result<nvmf::transport_address> normalized(nvmf::transport_address at) const override {
        return ip::normalized(at);
    }
    core::task<core::result<>> listen(std::shared_ptr<const nvmf::port> at) override;
    core::task<> stop_listening(std::shared_ptr<const nvmf::port> at) override {
        return listeners_.close(std::move(at));
    }
    core::task<> stop() override;
    bool offers_secure_channel() const noexcept override { return true; }
    core::result<> subsystem_add_host(const std::string& subnqn, const std::string& hostnqn,
                                      std::string_view key) override;
    void subsystem_remove_host(const std::string& subnqn, const std::string& hostnqn) noexcept override;
    std::uint64_t pending_data_buffers(std::size_t core) const override { return groups_.buffer_waits(core); }
    std::uint32_t sgls() const noexcept override;
    std::uint8_t msdbd() const noexcept override { return 1; }
    std::vector<std::byte> tsas(const nvmf::listen_options& options) const override;

    nvmf::target& target() const noexcept { return target_; }
    /// The poll group of a core, made when it is first wanted. ENOMEM, EMFILE.
    core::task<core::result<poll_group*>> group_on(core::reactor& home) { return groups_.on(home); }

    // Acceptors'. Any core.
    common::connection_limiter& limiter() noexcept { return limiter_; }
    handshake_statistics& handshakes(std::size_t core) noexcept { return handshakes_.on(core); }
    /// Takes over a connection whose handshake is done.
    core::task<> adopt(handshake_result e);

    // Connections'.
    void remove(connection& c) { connections_.remove(c); }

  private:
    void register_counters();

    nvmf::target& target_;
    const transport_options options_;
    common::connection_limiter limiter_;
    const std::shared_ptr<psk_store> keys_ = std::make_shared<psk_store>();
    const std::shared_ptr<tls_server> tls_ = make_tls_server(keys_);
    common::listeners<listener> listeners_{"tcp"};
    common::core_groups<poll_group> groups_;
    common::connections<connection> connections_;
    core::per_core<handshake_statistics> handshakes_;
    core::counter_registration counted_handshakes_, counted_groups_;
};

}  // namespace causeway::tcp
