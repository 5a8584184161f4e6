// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "host/tcp_connector.h"
#include "tests/neighbours/seam.h"
#include "transport/tcp/transport.h"

namespace causeway::neighbours {

/// A host's end of a TCP connection that can be made to stop receiving or sending.
class faulty_stream final : public tcp::stream {
  public:
    struct faults {
        bool receives = true, sends = true;
    };
    /// Takes `socket`. Each stream has a descriptor of its own.
    faulty_stream(int socket, const faults& f)
        : stream(::dup(socket)), plain_(tcp::make_plain_stream(socket)), faults_(f) {}

    outcome receive(std::span<const iovec> to) noexcept override {
        return faults_.receives ? plain_->receive(to) : outcome{};
    }
    outcome send(std::span<const iovec> from) noexcept override {
        return faults_.sends ? plain_->send(from) : outcome{};
    }

  private:
    const std::unique_ptr<tcp::stream> plain_;
    const faults& faults_;
};

/// Real sockets on loopback: sent data arrives at once.
class tcp_seam final : public seam {
  public:
    /// Few, so that strangers are seen to reach the limit.
    static constexpr common::connection_limits limits{.total = 400, .pending = 64, .pending_per_address = 32};

    tcp_seam();
    core::result<std::unique_ptr<nvmf::transport>> make_transport(nvmf::target& t) override;
    const nvmf::transport_address& address() const override { return address_; }
    host::connector& connector() override { return *connector_; }
    std::size_t connections() const override { return transport_->limiter().connections(); }
    std::unique_ptr<host::connector> make_faulty_connector(const faulty_stream::faults& f) const;
    std::uint16_t port() const;
    std::uint64_t counter(std::string_view name) const;

  private:
    nvmf::transport_address address_;
    tcp::tcp_transport* transport_ = nullptr;
    std::unique_ptr<host::connector> connector_;
};

}  // namespace causeway::neighbours
