#pragma once

// The transport seam: what a transport offers to the target, and what it may call.
//
// A connection is a qpair of the transport's own class. For each command capsule it fills a request (embedded in its own,
// in the slot where the capsule arrived) and goes through three steps, on the qpair's reactor:
//
//   1. begin(request)    parse and check. Answers which way data goes and how long it is, or a status: an invalid
//                        command never costs a transfer.
//   2. (the transport finds a buffer, and for data from the host fetches it)
//   3. execute(request)  run it. Ends with qpair::respond(request), on the same reactor, maybe at once.
//
// Nothing in here knows of sockets or verbs.

#include "bdev/io.h"
#include "core/reactor_group.h"
#include "core/result.h"
#include "core/task.h"
#include "nvme/command.h"
#include "nvme/status.h"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace causeway::nvmf {

class target;
class controller;
class subsystem;
class qpair;
class request;

enum class transfer : std::uint8_t { none, to_host, from_host };

/// Where a transport listens, or a peer is. As JSON-RPC and the discovery log spell it.
struct transport_address {
    std::string trtype;   ///< "RDMA", "TCP", "LOOP"
    std::string adrfam;   ///< "IPv4", "IPv6", "" for loop
    std::string traddr;
    std::string trsvcid;

    bool operator==(const transport_address&) const = default;
    std::string text() const;  ///< "RDMA 10.0.0.1:4420"
};

/// One command on its way. Embedded in the transport's own request; lives on its qpair's reactor, and travels as a message
/// to the control reactor and back when it is an admin command.
class request : public core::message {
  public:
    request() noexcept = default;
    request(const request&) = delete;
    request& operator=(const request&) = delete;

    // Filled by the transport.
    nvmf::qpair* qpair = nullptr;
    nvme::command command;

    // Filled by begin().
    nvmf::transfer transfer = nvmf::transfer::none;
    std::uint32_t length = 0;  ///< bytes of data that the command moves

    // Filled by the transport before execute(): `length` bytes altogether. Valid until respond() has been called.
    static constexpr unsigned most_segments = 4;
    std::array<iovec, most_segments> segments;
    unsigned segment_count = 0;
    std::span<const iovec> data() const noexcept { return {segments.data(), segment_count}; }

    // Filled by the target before respond(): dw0, dw1 and status. The transport adds cid and sqhd.
    nvme::completion completion;
    nvme::status status() const noexcept { return status_; }
    void set_status(nvme::status s) noexcept { status_ = s; }
    /// Bytes of `length` that are worth sending to the host (all of them, unless the command failed).
    bool has_data_for_host() const noexcept { return transfer == nvmf::transfer::to_host && status_.ok(); }

    // The target's.
    bdev::io io;
    request* next = nullptr;               ///< in a list of the target's (async event requests, held fused command)
    const struct io_command* entry = nullptr;
    request* fused = nullptr;              ///< the first command of a fused pair
    class name_space* ns = nullptr;
    core::ticks began = 0;

  private:
    nvme::status status_{};
};

enum class disconnect_reason : std::uint8_t {
    host_asked,          ///< Disconnect command, or the transport saw the peer close
    controller_reset,
    controller_shutdown,
    keep_alive_timeout,
    host_removed,        ///< no longer on the allow list
    subsystem_deleted,
    protocol_violation,
    transport_error,
    shutting_down,       ///< the gateway ends
};
std::string_view to_string(disconnect_reason r) noexcept;

/// One connection: an admin or I/O queue pair. The transport derives from it. Lives on one reactor; destroyed by the
/// transport there, after detach() has ended.
class qpair {
  public:
    explicit qpair(core::reactor& home) noexcept : home_(home) {}
    virtual ~qpair() = default;
    qpair(const qpair&) = delete;
    qpair& operator=(const qpair&) = delete;

    core::reactor& home() const noexcept { return home_; }

    // Offered by the transport. On the home reactor.
    /// Sends the response (and the data before it, where there are some) of a request that execute() was called for.
    virtual void respond(request& r) noexcept = 0;
    /// Begins to close the connection; the transport calls target::detach() when it may. May be called more than once.
    virtual void disconnect(disconnect_reason why) noexcept = 0;
    /// A request of this qpair that has not reached execute() yet and carries `cid` is taken back and answered with
    /// Command Abort Requested. False: none such.
    virtual bool abort_waiting(std::uint16_t cid) noexcept = 0;
    virtual transport_address local_address() const = 0;
    virtual transport_address peer_address() const = 0;
    virtual std::string_view transport_name() const noexcept = 0;

    // What Connect has made of it. Written on the home reactor.
    std::uint16_t qid = 0;
    std::uint16_t sq_entries = 0;          ///< as the transport granted; Connect's SQSIZE must fit
    bool sq_flow_control = true;           ///< false: the host asked to leave SQHD out
    std::shared_ptr<nvmf::controller> controller;  ///< nullptr until Connect has succeeded
    nvmf::subsystem* subsystem = nullptr;
    request* held_fused = nullptr;         ///< first command of a fused pair that waits for its second
    std::uint32_t executing = 0;           ///< requests between execute() and respond()
    request* executing_list = nullptr;     ///< those of them that Abort may look for

    enum class state : std::uint8_t { connecting, enabled, disconnecting };
    state phase = state::connecting;

  private:
    core::reactor& home_;
};

/// Options of nvmf_create_transport, in its names. Zero-cost defaults of the established target.
struct transport_options {
    std::uint16_t max_queue_depth = 128;
    std::uint16_t max_io_qpairs_per_ctrlr = 127;
    std::uint32_t in_capsule_data_size = 4096;
    std::uint32_t max_io_size = 131072;   ///< a power of two from 8192; what MDTS tells hosts
    std::uint32_t max_aq_depth = 128;
    std::uint32_t max_srq_depth = 4096;   ///< receives of one core on one device
    std::uint32_t num_cqe = 0;            ///< 0: what the receive queue and its send queues need
    int acceptor_backlog = 100;
    std::uint32_t ack_timeout = 0;
    std::uint16_t kas = 100;              ///< keep-alive granularity, units of 100 ms
    std::uint32_t min_kato_ms = 10000;
    /// Buffers per core: of 8 KiB, and of max_io_size.
    std::uint32_t small_buffers = 512;
    std::uint32_t large_buffers = 128;
};

/// A fabric. Lives on the control reactor; its qpairs on all reactors.
class transport {
  public:
    virtual ~transport() = default;

    virtual std::string_view trtype() const noexcept = 0;  ///< "RDMA"
    virtual const transport_options& options() const noexcept = 0;

    /// Control reactor. EADDRINUSE, EADDRNOTAVAIL, ENODEV (no RDMA device has that address), EINVAL.
    virtual core::task<core::result<>> listen(transport_address at) = 0;
    /// Control reactor. Connections that exist stay.
    virtual core::task<> stop_listening(transport_address at) = 0;
    /// Control reactor. Closes all connections, ends when they are gone.
    virtual core::task<> stop() = 0;

    /// What nvmf_get_stats says of one core; plain numbers by name, in the established target's names.
    struct device_statistics {
        std::string name;
        std::vector<std::pair<std::string_view, std::uint64_t>> counters;
    };
    virtual std::vector<device_statistics> statistics(std::size_t core) const = 0;
    virtual std::uint64_t pending_data_buffers(std::size_t core) const = 0;

    /// The keyed-SGL bits of Identify Controller's SGLS, and its MSDBD and IOCCSZ/IORCSZ in 16-byte units.
    virtual std::uint32_t sgls() const noexcept = 0;
    virtual std::uint8_t msdbd() const noexcept = 0;
    std::uint32_t ioccsz() const noexcept { return (64 + options().in_capsule_data_size) / 16; }
    /// For discovery log entries: TSAS of this fabric (RDMA: connected, RoCE, RDMA_CM), up to 256 bytes.
    virtual std::vector<std::byte> tsas() const { return {}; }
};

}  // namespace causeway::nvmf
