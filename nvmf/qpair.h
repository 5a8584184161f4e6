// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/counter.h"
#include "core/reactor.h"
#include "nvmf/host_addresses.h"
#include "nvmf/port.h"
#include "nvmf/request.h"

#include <cstdint>
#include <memory>
#include <string_view>

namespace causeway::core {
struct buffer_holders;
}  // namespace causeway::core

namespace causeway::nvmf {

class target;
class controller;
class subsystem;
class namespace_table;
struct core_counters;
struct qos_flow;

/// What a connection has proved about the identity of its host.
enum class host_identity : std::uint8_t {
    unproven,  ///< not authenticated
    proven,    ///< authenticated as the host that it claims to be
    another,   ///< authenticated as another host, or for another subsystem
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
    authentication_failed,
    stalled,  ///< the gateway was stopped, and cannot tell which commands were sent before that
};
std::string_view to_string(disconnect_reason r) noexcept;

/// Whether a connection that ends for this reason answers the commands that execute, unless a device hangs: an operator
/// has ended it, and the host goes on elsewhere.
constexpr bool answers_commands_in_flight(disconnect_reason r) noexcept {
    return r == disconnect_reason::host_removed || r == disconnect_reason::listener_removed ||
           r == disconnect_reason::subsystem_deleted;
}

/// A queue pair as its transport sets it up. On the home reactor.
struct qpair_transport_side {
    /// The port that accepted the connection; local_address() is where exactly the host came to. Set before the first
    /// command. Without one, the host has access to nothing but discovery.
    std::shared_ptr<const nvmf::port> port;
    /// Entries of the submission queue as the transport granted them; Connect's SQSIZE must fit. Set before the first
    /// command; 0: as large as the transport's options allow.
    std::uint16_t sq_entries = 0;
    /// What reactor::stalls() said when this connection was last read to its end. A command that begins while this is
    /// behind may have been sent before the core stalled, by a host that has given the connection up and written
    /// elsewhere since: it may not change content. The transport asks stalls(), reads, hands over what it has read, and
    /// sets this when there is no more.
    std::uint32_t stall_epoch = 0;
};

enum class qpair_state : std::uint8_t { connecting, enabled, disconnecting };

/// What the host has done on a queue pair. Written on the home reactor, read by any thread.
struct qpair_io_counts {
    core::counter read_commands, write_commands;
    core::counter read_units, write_units;  ///< of 512 bytes
};

/// What the target keeps about a queue pair. On the home reactor, but for `counts` and the control queue.
/// `nvmf/target_side.h` gives access.
struct qpair_target_side {
    // What Connect has made of it.
    std::uint16_t qid = 0;
    bool sq_flow_control = true;  ///< false: the host asked to leave SQHD out
    qpair_state phase = qpair_state::connecting;
    std::shared_ptr<nvmf::controller> controller;  ///< nullptr until Connect has succeeded
    nvmf::subsystem* subsystem = nullptr;
    std::uint64_t host_number = 0;   ///< the controller's
    bool must_authenticate = false;  ///< until then it runs nothing but authentication commands

    nvmf::target* target = nullptr;               ///< since the first command
    core_counters* counters = nullptr;            ///< this core's; likewise
    const namespace_table* namespaces = nullptr;  ///< this core's; nullptr but for an I/O queue that runs commands
    std::uint32_t max_io_bytes = 0;               ///< as MDTS says
    std::uint32_t executing = 0;                  ///< requests between execute() and respond()
    bool connect_runs = false;
    core::message* drained = nullptr;  ///< posted when `executing`, or a running Connect, has ended
    request* held_fused = nullptr;     ///< first command of a fused pair whose second has not come yet
    bool fused_first_failed = false;   ///< the command before this one was a first one, and was refused
    std::uint32_t fused_begun = 0;     ///< halves of fused pairs between begin(), or resume(), and execute()
    request* fused_waiting = nullptr;  ///< executed halves that wait for the other one
    qos_flow* qos_flows = nullptr;     ///< of namespaces on which its commands have waited for credit

    qpair_io_counts counts;
    nvmf::control_queue control_queue;  ///< the control reactor's, but for its address
};

/// One connection: an admin or I/O queue pair. The transport derives from it. Lives on one reactor; destroyed by the
/// transport there, after detach() has ended.
class qpair : public qpair_transport_side {
  public:
    using state = qpair_state;
    using io_counts = qpair_io_counts;

    explicit qpair(core::reactor& home) noexcept : home_(home) {}
    virtual ~qpair() = default;
    qpair(const qpair&) = delete;
    qpair& operator=(const qpair&) = delete;

    core::reactor& home() const noexcept { return home_; }

    // Offered by the transport. On the home reactor.
    /// Sends the response (and the data before it, where there are some) of a request that execute() was
    /// called for.
    virtual void respond(request& r) noexcept = 0;
    /// A request that begin() has deferred goes on, as if begin() had returned success now. Not called for requests
    /// that target::abandon() was called for.
    virtual void resume(request& r) noexcept = 0;
    /// Begins to close the connection; the transport calls target::detach() when it may. May be called more
    /// than once. What respond() has been given before still goes out first, and where answers_commands_in_flight(),
    /// for a second at most, what executes.
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

    // What a transport may ask of the target. On the home reactor.

    /// Connect has succeeded.
    bool is_connected() const noexcept { return target_side_.controller != nullptr; }
    /// Connect has succeeded, and so has the host's authentication where it is required.
    bool is_admitted() const noexcept { return is_connected() && !target_side_.must_authenticate; }
    /// The same, and commands on this queue pair are I/O commands.
    bool is_io_queue() const noexcept { return target_side_.namespaces != nullptr; }
    /// As Connect said; 0 before.
    std::uint16_t qid() const noexcept { return target_side_.qid; }
    state phase() const noexcept { return target_side_.phase; }
    /// False: responses have no SQHD, because the host asked for that in Connect.
    bool sq_flow_control() const noexcept { return target_side_.sq_flow_control; }
    /// Bytes of the buffer to take for `r`, after begin() or in resume(). Both halves of a fused pair share the one
    /// that the first of them takes, so that neither can wait for what the other one holds.
    std::uint32_t buffer_length_of(const request& r) const noexcept {
        const bool leads_pair =
            target_side_.held_fused == &r || (r.other_half() && r.command.fuse() == nvme::fuse::first);
        return leads_pair ? 2 * r.length : r.length;
    }
    friend core::buffer_holders buffer_holders_of(const qpair& q, const nvme::command& c) noexcept;

  protected:
    /// The connection is about to close: commands that take several steps stop before the next of them, and a Connect
    /// that is decided now does not enable the queue pair.
    void set_disconnecting() noexcept { target_side_.phase = state::disconnecting; }

  private:
    friend struct target_side_access;

    core::reactor& home_;
    qpair_target_side target_side_;
};

}  // namespace causeway::nvmf
