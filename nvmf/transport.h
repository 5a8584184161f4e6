// SPDX-License-Identifier: Apache-2.0
#pragma once

// The transport seam: what a transport offers to the target, and what it may call.
//
// A connection is a qpair of the transport's own class. For each command capsule it fills a request (embedded
// in its own, in the slot where the capsule arrived) and goes through three steps, on the qpair's reactor:
//
//   1. begin(request)    parse and check. Answers which way data goes and how long it is, or a status: an
//                        invalid command never costs a transfer. Then the transport answers it, with that
//                        status and the dw0 and dw1 of request::completion, and the request never reaches
//                        execute().
//   2. (the transport finds a buffer, and for data from the host fetches it)
//   3. execute(request)  run it. Ends with qpair::respond(request), on the same reactor, maybe at once.
//
// Nothing in this file depends on sockets or verbs.

#include "bdev/io.h"
#include "core/reactor_group.h"
#include "core/result.h"
#include "core/task.h"
#include "nvme/command.h"
#include "nvme/discovery.h"
#include "nvme/status.h"
#include "nvmf/host_addresses.h"
#include "nvmf/transport_options.h"

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
class namespace_table;
struct core_namespace;
struct core_counters;

enum class transfer : std::uint8_t { none, to_host, from_host };

/// The address of a listener or a peer, as JSON-RPC and the discovery log spell it.
struct transport_address {
    std::string trtype;  ///< "RDMA", "TCP", "LOOP"
    std::string adrfam;  ///< "IPv4", "IPv6", "" for loop
    std::string traddr;
    std::string trsvcid;

    bool operator==(const transport_address&) const = default;
    std::string text() const;  ///< "RDMA 10.0.0.1:4420"
    /// All addresses of this machine in its family.
    bool is_wildcard() const noexcept { return traddr == "0.0.0.0" || traddr == "::"; }
};

/// What a listener requires from connections.
struct listen_options {
    bool secure_channel = false;  ///< connections are encrypted, and a host authenticates with a pre-shared key

    bool operator==(const listen_options&) const = default;
};

/// An address where a transport listens, from listen() to stop_listening(). A connection keeps the port that
/// accepted it, and comes in by it: an address that is listened at once more, perhaps with other options, is another
/// port. Immutable; any thread.
struct port {
    transport_address at;  ///< as the operator has it: it may be a wildcard
    listen_options options;
    std::uint16_t id = 0;  ///< PORTID of discovery log entries
};

/// What a connection has proved about the identity of its host.
enum class host_identity : std::uint8_t {
    unproven,  ///< not authenticated
    proven,    ///< authenticated as the host that it claims to be
    another,   ///< authenticated as another host, or for another subsystem
};

/// One command on its way. Embedded in the transport's own request; lives on its qpair's reactor, and travels
/// as a message to the control reactor and back when it is an admin command.
class request : public core::background_message {
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

    // Filled by the transport before execute(): `length` bytes altogether. Valid until respond() has been
    // called.
    static constexpr unsigned max_segments = 4;
    std::array<iovec, max_segments> segments;
    unsigned segment_count = 0;
    std::span<const iovec> data() const noexcept { return {segments.data(), segment_count}; }

    // Filled by the target before respond(): dw0, dw1 and status. The transport adds cid and sqhd.
    nvme::completion completion;
    nvme::status status() const noexcept { return status_; }
    void set_status(nvme::status s) noexcept { status_ = s; }
    /// Bytes of `length` that are worth sending to the host (all of them, unless the command failed).
    bool has_data_for_host() const noexcept { return transfer == nvmf::transfer::to_host && status_.ok(); }

    // The target's, from begin() to respond().
    bdev::io io;
    void (*run)(request&) noexcept = nullptr;  ///< what execute() calls; begin() has chosen it
    core_namespace* ns = nullptr;              ///< that it executes on
    std::uint32_t stall_epoch = 0;             ///< its qpair's when it began
    std::uint64_t ns_generation = 0;           ///< of the namespace that it was checked against
    request* fused = nullptr;                  ///< the other half of a fused pair
    request* next = nullptr;                   ///< in a list of the target's
    std::uint32_t cursor = 0;                  ///< of commands that take several device I/Os
    bool starting_io = false;                  ///< one of those is being started
    bool completed_inline = false;             ///< and has ended at once
    bool waits_for_fused = false;              ///< executed; its other half has not been
    /// Of a Copy. More of them would cost every request their room.
    static constexpr unsigned max_copy_sources = 16;
    std::array<bdev::copy_source, max_copy_sources> copy_sources;

  private:
    nvme::status status_{};
};

enum class disconnect_reason : std::uint8_t {
    host_asked,  ///< Disconnect command, or the transport saw the peer close
    controller_reset,
    controller_shutdown,
    keep_alive_timeout,
    host_removed,      ///< no longer on the allow list
    listener_removed,  ///< of its subsystem, at the port that the host came in by
    subsystem_deleted,
    protocol_violation,
    transport_error,
    shutting_down,  ///< the gateway ends
    stalled,        ///< the gateway was stopped, and cannot tell which commands were sent before that
};
std::string_view to_string(disconnect_reason r) noexcept;

/// One connection: an admin or I/O queue pair. The transport derives from it. Lives on one reactor; destroyed
/// by the transport there, after detach() has ended.
class qpair {
  public:
    explicit qpair(core::reactor& home) noexcept : home_(home) {}
    virtual ~qpair() = default;
    qpair(const qpair&) = delete;
    qpair& operator=(const qpair&) = delete;

    core::reactor& home() const noexcept { return home_; }

    // Offered by the transport. On the home reactor.
    /// Sends the response (and the data before it, where there are some) of a request that execute() was
    /// called for.
    virtual void respond(request& r) noexcept = 0;
    /// Begins to close the connection; the transport calls target::detach() when it may. May be called more
    /// than once. What respond() has been given before still goes out first.
    virtual void disconnect(disconnect_reason why) noexcept = 0;
    /// A request of this qpair that has not reached execute() yet and carries `cid` is taken back and
    /// answered with Command Abort Requested. False: none such.
    virtual bool abort_waiting(std::uint16_t cid) noexcept = 0;
    virtual transport_address local_address() const = 0;
    virtual transport_address peer_address() const = 0;
    virtual std::string_view transport_name() const noexcept = 0;
    /// Home reactor. What the connection has proved of a host that calls itself `hostnqn` and connects to `subnqn`.
    virtual host_identity identity_of(std::string_view /*hostnqn*/, std::string_view /*subnqn*/) const {
        return host_identity::unproven;
    }

    /// The port that accepted the connection; local_address() is where exactly the host came to. Set by the transport
    /// before the first command. Without one, nothing but discovery is to be had.
    std::shared_ptr<const nvmf::port> port;
    /// Entries of the submission queue as the transport granted them; Connect's SQSIZE must fit. Set by the
    /// transport before the first command; 0: as large as its options allow.
    std::uint16_t sq_entries = 0;

    /// What reactor::stalls() said when this connection was last read to its end. A command that begins while this is
    /// behind may have been sent before the core stalled, by a host that has given the connection up and written
    /// elsewhere since: it may not change content. Kept by the transport, on the home reactor: it asks stalls(), reads,
    /// hands over what it has read, and sets this when there is no more.
    std::uint32_t stall_epoch = 0;

    // What Connect has made of it. Written on the home reactor.
    std::uint16_t qid = 0;
    bool sq_flow_control = true;                   ///< false: the host asked to leave SQHD out
    std::shared_ptr<nvmf::controller> controller;  ///< nullptr until Connect has succeeded
    nvmf::subsystem* subsystem = nullptr;
    std::uint64_t host_number = 0;  ///< the controller's

    enum class state : std::uint8_t { connecting, enabled, disconnecting };
    state phase = state::connecting;

    /// What the host has done here. Written on the home reactor, read by any thread.
    struct io_counts {
        core::counter read_commands, write_commands;
        core::counter read_units, write_units;  ///< of 512 bytes
    };
    io_counts counts;

    // The target's, on the home reactor.
    nvmf::target* target = nullptr;               ///< since the first command
    core_counters* counters = nullptr;            ///< this core's; likewise
    const namespace_table* namespaces = nullptr;  ///< this core's; nullptr but for a connected I/O queue
    std::uint32_t max_io_bytes = 0;               ///< as MDTS says
    std::uint32_t executing = 0;                  ///< requests between execute() and respond()
    bool connect_runs = false;
    core::message* drained = nullptr;  ///< posted when `executing`, or a running Connect, has ended
    request* held_fused = nullptr;     ///< first command of a fused pair whose second has not come yet
    bool fused_first_failed = false;   ///< the command before this one was a first one, and was refused
    std::uint32_t fused_begun = 0;     ///< halves of fused pairs between begin() and execute()
    request* fused_waiting = nullptr;  ///< executed halves that wait for the other one

    nvmf::control_queue control_queue;  ///< the control reactor's, but for its address

  private:
    core::reactor& home_;
};

/// A fabric. Lives on the control reactor; its qpairs on all reactors.
class transport {
  public:
    virtual ~transport() = default;

    virtual std::string_view trtype() const noexcept = 0;  ///< "RDMA"
    /// As the discovery log and error log entries spell it; what is not a network is within the host.
    virtual nvme::transport_type type() const noexcept { return nvme::transport_type::intra_host; }
    virtual const transport_options& options() const noexcept = 0;
    /// The options that only this transport has, as it was made.
    virtual own_option_list own_options() const { return {}; }

    /// One spelling for each address, by which it is known from then on: "::1", not "0:0::1". EINVAL: it is none.
    virtual core::result<transport_address> normalized(transport_address at) const { return at; }
    /// Control reactor. EADDRINUSE, EADDRNOTAVAIL, ENODEV (no RDMA device has that address), EINVAL.
    /// REQUIRES: what the port's options want is on offer; its address is normalized, and not listened at.
    virtual core::task<core::result<>> listen(std::shared_ptr<const port> at) = 0;
    /// Control reactor. Connections that exist stay. REQUIRES: listen() has succeeded for `at`.
    virtual core::task<> stop_listening(std::shared_ptr<const port> at) = 0;
    /// Control reactor. Closes all connections, ends when they are gone.
    virtual core::task<> stop() = 0;

    /// Whether its connections can be encrypted. Those that cannot have no use for keys.
    virtual bool offers_secure_channel() const noexcept { return false; }
    /// Control reactor. From now on this host proves itself to this subsystem with `key`: the configured PSK in its
    /// interchange format. EINVAL: it is none. May come again for the same host after subsystem_remove_host().
    virtual core::result<> subsystem_add_host(const std::string& /*subnqn*/, const std::string& /*hostnqn*/,
                                              std::string_view /*key*/) {
        return {};
    }
    /// Control reactor. The host has no key for this subsystem any more; connections that exist stay.
    virtual void subsystem_remove_host(const std::string& /*subnqn*/, const std::string& /*hostnqn*/) noexcept {}

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
    /// For discovery log entries: TSAS of this fabric (RDMA: connected, RoCE, RDMA_CM; TCP: how a listener is secured),
    /// up to 256 bytes.
    virtual std::vector<std::byte> tsas(const listen_options& /*options*/) const { return {}; }
};

}  // namespace causeway::nvmf
