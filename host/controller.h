// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/reactor_group.h"
#include "core/result.h"
#include "core/task.h"
#include "core/timer.h"
#include "host/authentication.h"
#include "host/queue_pair.h"
#include "nvme/fabrics.h"
#include "nvme/identify.h"
#include "nvme/log_page.h"
#include "nvme/properties.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace causeway::host {

struct controller_options {
    std::string subnqn;
    std::string hostnqn;
    std::array<std::uint8_t, 16> hostid{};
    std::vector<core::reactor*> io_reactors;  ///< an I/O queue for each; none: the admin queue is all
    unsigned admin_depth = 31;                ///< commands outstanding on the admin queue
    unsigned io_depth = 128;                  ///< and on an I/O queue, at most what the controller takes
    std::uint32_t kato_ms = 15000;            ///< 0: no Keep Alive
    /// For a controller that asks for authentication in band. With the controller's key, one that does not is refused.
    std::optional<dhchap_credentials> dhchap{};
};

/// A controller of a subsystem, seen from the host: an admin queue, I/O queues, Keep Alive, asynchronous events.
///
/// Lives on the reactor where connect() was called, as its admin queue does; an I/O queue lives on its own reactor,
/// where alone it may be touched, from the end of connect() to the beginning of disconnect().
class controller {
  public:
    controller(connector& c, controller_options o) : connector_(c), options_(std::move(o)) {}
    /// REQUIRES: disconnect() has ended, or connect() has not been called or has failed.
    ~controller() = default;
    controller(const controller&) = delete;
    controller& operator=(const controller&) = delete;

    /// Connects the admin queue, enables the controller, identifies it, connects the I/O queues. Once. After an error
    /// all is closed.
    core::task<core::result<>> connect();
    /// Authenticates again on a queue that is open, the I/O queues from 1 on; on its reactor.
    core::task<core::result<>> authenticate_again(std::uint16_t qid);
    /// Tells the controller to shut down, while it is there, and closes all.
    core::task<> disconnect();

    /// The connection of a queue was lost: the controller is unusable and has to be disconnected. Called once, on its
    /// reactor.
    std::function<void(std::string why)> on_lost;
    /// An asynchronous event: Dword 0 of its completion. On its reactor.
    std::function<void(std::uint32_t dw0)> on_event;

    bool is_alive() const noexcept { return alive_; }
    queue_pair& admin() noexcept { return *admin_; }
    queue_pair& io(std::size_t i) noexcept { return *io_[i]; }  ///< on io_reactors[i]
    std::size_t io_queues() const noexcept { return io_.size(); }
    std::string name() const { return connector_.name(); }
    std::uint16_t cntlid() const noexcept { return cntlid_; }
    const nvme::identify_controller& identity() const noexcept { return identity_; }
    std::uint32_t version() const noexcept { return version_; }  ///< VS
    /// Bytes of data that a command may have; from MDTS.
    std::uint64_t max_data() const noexcept;

    core::task<core::result<std::vector<std::uint32_t>>> active_namespaces();
    core::task<core::result<nvme::identify_namespace>> identify_namespace(std::uint32_t nsid);
    /// Any Identify; fills `data`.
    core::task<core::result<>> identify(nvme::cns what, std::uint32_t nsid,
                                        std::span<std::byte, nvme::identify_bytes> data);
    /// `data.size()` bytes of a log page from `offset` on. REQUIRES: multiples of 4.
    core::task<core::result<>> log_page(nvme::lid page, std::uint64_t offset, std::span<std::byte> data,
                                        std::uint8_t lsp = 0);

  private:
    core::task<core::result<>> connect_all();
    core::task<core::result<>> connect_admin();
    core::task<core::result<>> enable();
    core::task<core::result<>> request_io_queues();
    core::task<core::result<>> connect_io(std::size_t i);
    core::task<core::result<nvme::connect_response>> send_connect_command(queue_pair& q, std::uint16_t qid);
    /// Sends Connect, and authenticates if the controller asks for it. The controller's identifier.
    core::task<core::result<std::uint16_t>> connect_queue(queue_pair& q, std::uint16_t qid);
    core::task<core::result<>> authenticate_queue(queue_pair& q, std::uint16_t qid);
    core::task<core::result<std::uint64_t>> property(nvme::property p);
    core::task<core::result<>> set_property(nvme::property p, std::uint64_t value);
    template <class F>
    core::task<core::result<>> wait_status(F reached, core::nanoseconds limit);
    core::task<> shut_down();
    core::task<> close_all();
    core::task<core::result<>> configure_events();
    void lost(std::string why);
    void keep_alive();
    void wait_for_event();
    core::error failed(nvme::status s, std::string_view what) const;

    connector& connector_;
    const controller_options options_;
    core::reactor* home_ = nullptr;
    std::unique_ptr<queue_pair> admin_;
    std::vector<std::unique_ptr<queue_pair>> io_;
    std::uint16_t cntlid_ = nvme::cntlid_dynamic;
    std::uint32_t version_ = 0;
    nvme::cap cap_;
    nvme::identify_controller identity_{};
    std::atomic<std::uint16_t> next_transaction_{1};  ///< of authentication
    bool alive_ = false;

    std::optional<core::timer> keep_alive_timer_;
    request keep_alive_, event_;
    bool keep_alive_is_out_ = false;
    std::shared_ptr<bool> exists_ = std::make_shared<bool>(true);  ///< for what other reactors have to say
};

}  // namespace causeway::host
