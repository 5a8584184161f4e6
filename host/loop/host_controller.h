// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "core/task.h"
#include "host/loop/host_queue.h"
#include "nvme/identify.h"
#include "nvme/properties.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace causeway::loop {

struct host_options {
    nvmf::transport_address at;
    std::string subnqn;
    std::string hostnqn;
    std::array<std::uint8_t, 16> hostid{};
    std::uint16_t io_queues = 1;
    std::uint16_t admin_entries = 32;
    std::uint16_t io_entries = 128;
    std::uint32_t kato_ms = 0;
    bool sq_flow_control = true;
};

/// A host that has connected to a subsystem: an admin queue, I/O queues, and what Linux does between opening the one
/// and the others. Lives on the reactor where connect() was called.
class host_controller {
  public:
    explicit host_controller(loop_transport& t) : transport_(t) {}
    /// REQUIRES: disconnect() has ended, or connect() has never been called.
    ~host_controller() = default;

    /// Connects the admin queue, enables the controller, connects the I/O queues. What a step got as an answer stands
    /// in the error; `code` is EPROTO for a status. After an error everything is closed again.
    core::task<core::result<>> connect(host_options o);
    /// Closes all queues and ends when they are closed.
    core::task<> disconnect();
    /// What a host does that leaves in order: CC.SHN, then disconnect().
    core::task<> shut_down();

    host_queue& admin() noexcept { return *admin_; }
    host_queue& io(std::size_t i) noexcept { return *io_[i]; }
    std::size_t io_queues() const noexcept { return io_.size(); }
    std::uint16_t cntlid() const noexcept { return cntlid_; }
    /// All its queues are open.
    bool alive() const noexcept;

    core::task<core::result<std::uint64_t>> property(nvme::property p);
    core::task<core::result<>> set_property(nvme::property p, std::uint64_t value);
    /// CC.EN = 1 and waits for CSTS.RDY; CC.EN = 0 likewise.
    core::task<core::result<>> enable(bool on);
    core::task<core::result<nvme::identify_controller>> identify();
    core::task<core::result<nvme::identify_namespace>> identify_namespace(std::uint32_t nsid);

  private:
    core::task<core::result<>> connect_all(host_options o);
    core::task<core::result<std::uint16_t>> connect_queue(host_queue& q, const host_options& o, std::uint16_t qid);
    core::task<core::result<>> identify_into(nvme::command command, void* data);
    template <class F>
    core::task<core::result<>> wait_status(F done);

    loop_transport& transport_;
    std::unique_ptr<host_queue> admin_;
    std::vector<std::unique_ptr<host_queue>> io_;
    std::uint16_t cntlid_ = nvme::cntlid_dynamic;
};

/// "connect: connect_invalid_host"; EPROTO.
core::error error_of(nvme::status s, std::string_view about);

}  // namespace causeway::loop
