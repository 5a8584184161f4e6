// SPDX-License-Identifier: Apache-2.0
#pragma once

// A target in virtual time, with hosts at the end of a fabric that consists of function calls. For unit tests
// of this folder.

#include "bdev/fault_device.h"
#include "bdev/memory_device.h"
#include "bdev/null_device.h"
#include "bdev/registry.h"
#include "core/simulation.h"
#include "nvme/fabrics.h"
#include "nvme/features.h"
#include "nvme/identify.h"
#include "nvme/log_page.h"
#include "nvme/nqn.h"
#include "nvmf/model/controller.h"
#include "nvmf/model/subsystem.h"
#include "nvmf/target.h"

#include <cstring>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace causeway::nvmf::test {

using bytes = std::vector<std::byte>;
using nvme::status;
namespace sc = nvme::sc;

inline const std::string subsystem_nqn = "nqn.2024-01.io.example:disks";
inline const std::string host_a = "nqn.2014-08.org.nvmexpress:uuid:11111111-1111-1111-1111-111111111111";
inline const std::string host_b = "nqn.2014-08.org.nvmexpress:uuid:22222222-2222-2222-2222-222222222222";
inline const transport_address here{"FAKE", "IPv4", "10.0.0.1", "4420"};
inline const transport_address elsewhere{"FAKE", "IPv4", "10.0.0.2", "4420"};

class nvmf_fixture;
class connection;

/// A command on its way, and its answer.
struct capsule final : request {
    connection* of = nullptr;
    bytes data;
    bool refused = false;   ///< by begin()
    bool held = false;      ///< between begin() and execute()
    bool deferred = false;  ///< by begin(), and not resumed yet
    bool answered = false;
    unsigned answers = 0;

    std::uint32_t dw0() const { return completion.dw0; }
    template <class Page>
    Page page() const {
        Page p{};
        std::memcpy(&p, data.data(), std::min(sizeof p, data.size()));
        return p;
    }
};

/// The transport's part of a connection.
class fake_qpair final : public qpair {
  public:
    fake_qpair(core::reactor& home, connection& c) : qpair(home), connection_(c) {}
    void respond(request& r) noexcept override;
    void resume(request& r) noexcept override;
    void disconnect(disconnect_reason why) noexcept override;
    bool abort_waiting(std::uint16_t cid) noexcept override;
    transport_address local_address() const override;
    transport_address peer_address() const override;
    std::string_view transport_name() const noexcept override { return "FAKE"; }
    host_identity identity_of(std::string_view hostnqn, std::string_view subnqn) const override;

  private:
    connection& connection_;
};

/// The host's end of a connection. Outlives its queue pair.
class connection {
  public:
    connection(nvmf_fixture& w, core::reactor& home, transport_address at);

    /// Sends a command; the answer comes as the world turns. `data` goes to the controller, or its size is
    /// room for what comes back.
    capsule& send(nvme::command command, bytes data = {});
    /// As send(), and turns the world until the answer is there.
    capsule& call(nvme::command command, bytes data = {});
    capsule& call_for(nvme::command command, std::size_t room) { return call(command, bytes(room)); }

    /// The host is gone.
    void drop();

    /// Commands wait before execute(), as they would for a buffer, until execute_held().
    bool hold = false;
    /// What waits when the connection closes is given up with target::abandon(), as it should be.
    bool abandons = true;
    void execute_held(capsule& c);
    /// Host and subsystem, if the host has proved who it is.
    std::string proves;

    nvmf_fixture& of;
    core::reactor& home;
    const transport_address at;
    const std::string from;  ///< the host's address
    std::unique_ptr<fake_qpair> qpair;
    std::vector<std::unique_ptr<capsule>> capsules;
    std::optional<disconnect_reason> closed;  ///< disconnect() was called
    bool gone = false;                        ///< and detach() has ended
    std::vector<std::uint16_t> order;         ///< cids in the order of their answers

  private:
    friend class fake_qpair;
    void arrive(capsule& c);
    void on_begun(capsule& c, status s);
    core::task<> part();
    std::uint16_t next_cid_ = 1;
    bool parting_ = false;
};

class fake_transport final : public transport {
  public:
    std::string_view trtype() const noexcept override { return "FAKE"; }
    const transport_options& options() const noexcept override { return options_; }
    core::task<core::result<>> listen(std::shared_ptr<const port> at) override;
    core::task<> stop_listening(std::shared_ptr<const port> at) override;
    core::task<> stop() override;
    std::uint64_t pending_data_buffers(std::size_t) const override { return 0; }
    std::uint32_t sgls() const noexcept override { return nvme::sgls_supported | nvme::sgls_address_offset; }
    std::uint8_t msdbd() const noexcept override { return 1; }
    std::vector<std::byte> tsas(const listen_options& o) const override {
        return {std::byte{1}, std::byte{5}, std::byte{1}, std::byte(o.secure_channel)};
    }
    bool offers_secure_channel() const noexcept override { return secures; }
    core::result<> subsystem_add_host(const std::string& subnqn, const std::string& hostnqn,
                                      std::string_view key) override;
    void subsystem_remove_host(const std::string& subnqn, const std::string& hostnqn) noexcept override;

    transport_options options_;
    /// The port that accepts a host that connects there; nullptr: nothing listens.
    std::shared_ptr<const port> port_at(const transport_address& a) const;

    std::vector<transport_address> listening;
    std::vector<std::shared_ptr<const port>> ports;  ///< likewise
    std::map<std::string, std::string> admitted;     ///< keys by host and subsystem
    bool secures = true;
    bool stopped = false;
};

// ---- Commands. Each has the flags that fabrics want.

nvme::command command(std::uint8_t opcode, std::uint32_t nsid = 0);
nvme::command admin(nvme::admin_opcode opcode, std::uint32_t nsid = 0);
nvme::command io(nvme::io_opcode opcode, std::uint32_t nsid, std::uint64_t slba = 0, std::uint32_t blocks = 1);
nvme::command fused(nvme::command c, nvme::fuse f);
nvme::command property_get(nvme::property p);
nvme::command property_set(nvme::property p, std::uint64_t value);
nvme::command identify(nvme::cns cns, std::uint32_t nsid = 0);
nvme::command get_log_page(nvme::lid lid, std::uint32_t length, std::uint64_t offset = 0, bool rae = false);
nvme::command set_features(nvme::fid fid, std::uint32_t value, std::uint32_t nsid = 0);
nvme::command get_features(nvme::fid fid, nvme::feature_select select = nvme::feature_select::current);
nvme::command abort(std::uint16_t sqid, std::uint16_t cid);
nvme::command connect(std::uint16_t qid, std::uint16_t sqsize = 31, std::uint32_t kato_ms = 0);
nvme::connect_data connect_data(std::string_view subnqn, std::string_view hostnqn, std::uint16_t cntlid = 0xffff);
template <class T>
bytes raw(const T& t) {
    const auto b = std::as_bytes(std::span(&t, 1));
    return {b.begin(), b.end()};
}
inline bytes filled(std::size_t n, unsigned char with) {
    return bytes(n, std::byte{with});
}

/// A host with a controller: its admin queue and I/O queues.
struct host {
    std::string nqn;
    connection* admin = nullptr;
    std::vector<connection*> queues;  ///< queues[0] has qid 1
    std::uint16_t cntlid = 0;

    capsule& property(nvme::property p) { return admin->call(property_get(p)); }
    std::uint64_t property_value(nvme::property p) { return property(p).completion.result64(); }
    nvme::csts csts() { return {static_cast<std::uint32_t>(property_value(nvme::property::csts))}; }
};

class nvmf_fixture {
  public:
    explicit nvmf_fixture(std::uint64_t seed = 1, std::size_t cores = 3, target_options options = {});
    ~nvmf_fixture();

    /// Runs a control operation on the control reactor, to its end.
    template <class T>
    T run(core::task<T> t) {
        std::optional<T> value;
        sim.group().control().execute([&] { core::detach(std::move(t), [&](T v) { value.emplace(std::move(v)); }); });
        EXPECT_TRUE(sim.run_until([&] { return value.has_value(); }));
        return std::move(*value);
    }
    void run(core::task<> t);
    /// Runs `f` on the control reactor.
    void at_control(std::function<void()> f);
    /// Turns until it is so.
    bool until(const std::function<bool()>& done) { return sim.run_until(done); }
    void pass(core::nanoseconds d) { sim.run_for(d); }

    /// 1 MiB of memory in blocks of 512 bytes, homed on the last core.
    std::shared_ptr<bdev::memory_device> make_memory(std::string name, std::uint64_t blocks = 2048);
    /// The same, behind a device that can be made to fail or hang.
    std::shared_ptr<bdev::fault_device> make_faulty(std::string name);
    /// A subsystem that allows every host and listens `here`.
    subsystem& make_subsystem(std::string nqn = subsystem_nqn);
    std::uint32_t add(subsystem& s, std::string bdev, std::uint32_t nsid = 0);

    connection& connect_to(std::size_t core, transport_address at = here);
    /// A controller that is enabled, with so many I/O queues, spread over the cores.
    host make_host(std::string nqn = host_a, unsigned io_queues = 1, std::string subnqn = subsystem_nqn,
                   std::uint32_t kato_ms = 0);
    void enable(host& h);

    std::string hosts_come_from = "10.0.0.99";  ///< that connect from now on
    transport_address hosts_connect_to = here;  ///< likewise, in make_host()
    core::simulation sim;
    core::placement homes;
    bdev::registry devices;
    nvmf::target target;
    fake_transport* fabric;
    std::vector<std::unique_ptr<connection>> connections;
};

}  // namespace causeway::nvmf::test
