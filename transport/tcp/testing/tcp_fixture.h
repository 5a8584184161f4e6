// SPDX-License-Identifier: Apache-2.0
#pragma once

// A target behind the TCP transport, with real sockets on loopback, and hosts that speak the protocol by hand. One
// thread takes the turns of all cores, and time passes when there is nothing to do: so nothing is waited for.

#include "bdev/fault_device.h"
#include "bdev/registry.h"
#include "core/testing/core_fixture.h"
#include "nvme/fabrics.h"
#include "nvme/make_command.h"
#include "nvme/tcp.h"
#include "nvmf/target.h"
#include "transport/tcp/transport.h"

#include <deque>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace causeway::tcp::test {

inline const std::string subsystem_nqn = "nqn.2024-01.io.example:disks";
inline const std::string host_nqn = "nqn.2024-01.io.example:host";

/// One of 127.0.0.1 that nobody listens at.
std::uint16_t free_port();

/// A host's end of a connection. Sends what it is told to, and keeps what comes back.
class raw_host {
  public:
    /// `from`: the address that it comes from.
    explicit raw_host(std::uint16_t port, const std::string& from = "127.0.0.1");
    raw_host(raw_host&& other) noexcept;
    raw_host& operator=(raw_host&&) = delete;
    ~raw_host();

    void send(std::span<const std::byte> bytes);
    /// A PDU without digests; `header` begins with a common header, whose lengths are filled in.
    template <class Header>
    void send(nvme::tcp_pdu_type type, Header header, std::span<const std::byte> data = {});
    void send_ic_req();
    /// In a capsule, with `data` in it.
    void send(nvme::command c, std::span<const std::byte> data = {});
    void send_connect(const nvme::connect_parameters& p, std::uint16_t entries = 32);
    /// Answers an R2T that has come, whole.
    void send_data(std::span<const std::byte> data);

    /// Takes what has come.
    void receive();
    bool initialized = false;
    bool closed = false;                     ///< by the gateway
    std::deque<nvme::completion> responses;  ///< CapsuleResps
    std::deque<nvme::tcp_r2t> r2ts;
    std::vector<std::byte> data;  ///< of C2HData PDUs, one after the other

  private:
    void take(std::span<const std::byte> pdu);

    int socket_;
    std::vector<std::byte> in_;
};

/// A gateway on cores of one thread.
class tcp_fixture : public ::testing::Test {
  public:
    explicit tcp_fixture(std::size_t cores = 1, transport_options options = {}, common::connection_limits limits = {});
    ~tcp_fixture() override;

    /// Turns all cores until `done`, and lets time pass where there is nothing to do. False: it is not so within a
    /// minute of that time.
    bool until(const std::function<bool()>& done);
    template <class T>
    T run(core::task<T> t) {
        std::optional<T> value;
        group.control().execute([&] { core::detach(std::move(t), [&](T v) { value.emplace(std::move(v)); }); });
        EXPECT_TRUE(until([&] { return value.has_value(); }));
        return std::move(*value);
    }
    void run(core::task<> t);
    /// Ends all connections. Called by the destructor, if not before.
    void stop();

    /// A disk of 4,096-byte blocks that can be made to hang; namespace 1.
    std::shared_ptr<bdev::fault_device> add_disk();
    raw_host open(const std::string& from = "127.0.0.1") { return raw_host(port, from); }
    /// The next response; nothing: the connection was closed instead.
    std::optional<nvme::completion> response(raw_host& h);
    /// An initialized connection.
    raw_host initialize(const std::string& from = "127.0.0.1");
    /// A queue pair of a controller; of a new one, if `qid` is 0. The controller is enabled.
    raw_host connect(std::uint16_t qid = 0, std::uint16_t entries = 32);
    std::size_t counter(std::string_view name) const;  ///< of the transport, all cores together

    core::virtual_clock clock;
    core::test::inline_executor blocking;
    core::reactor_group group;
    core::placement homes;
    bdev::registry devices;
    std::optional<nvmf::target> target;
    tcp_transport* fabric = nullptr;
    std::uint16_t port = 0;
    std::uint16_t cntlid = nvme::cntlid_dynamic;  ///< of the controller that was connected last

  private:
    unsigned turn();
    core::task<> build(transport_options options, common::connection_limits limits);
    void enable(raw_host& admin);
};

}  // namespace causeway::tcp::test
