// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/buffer_pool.h"
#include "core/placement.h"
#include "core/reactor_group.h"
#include "nvmf/transport.h"

#include <cstdint>
#include <memory>
#include <span>

namespace causeway::loop {

class loop_qpair;
class loop_transport;
class link;
struct host_request;
struct slot;

/// The host's end of a link, as the link knows it. Called on the host's reactor.
class host_end {
  public:
    /// The target has written the response into `s`, which is the host's again.
    virtual void answered(slot& s) noexcept = 0;
    /// The connection is closed, and the target does not access the host's memory any more. The last call.
    virtual void severed() noexcept = 0;

  protected:
    ~host_end() = default;
};

/// The slot of one command on a link; its index is the command's cid. It travels: the host fills it and sends it as a
/// message, the target writes the response into it and sends it back. Only its current owner may access it.
struct alignas(64) slot : core::message {
    class link* of = nullptr;
    std::uint16_t cid = 0;

    enum class step : std::uint8_t { host, deferred, waiting_for_buffer, executing, answered };
    step at = step::host;  ///< written by the target's end only

    // The host's.
    host_request* host = nullptr;  ///< its own name for the command; nullptr: free
    std::uint16_t next_free = 0;

    // The capsule: written by the host before it sends the slot off.
    std::span<const iovec> host_data;
    struct command_request : nvmf::request {
        slot* of = nullptr;
    } request;

    // The target's, where data is copied.
    std::byte* buffer = nullptr;
    std::unique_ptr<std::byte[]> own_buffer;  ///< of a command that does not wait for one
    struct buffer_claim : core::buffer_claim {
        slot* of = nullptr;
    } claim;
};

/// The handler of a slot that its host sends to the target. On the target's reactor.
void arrive(core::message& m) noexcept;

/// A connection between a host's queue and the target, and the messages with which its two ends part:
///
///     host's reactor                       target's reactor                    control reactor
///     hang_up ---------------------------> disconnect
///                                          severed: it will not touch the host's memory any more
///     fails what is outstanding <--------- severed
///     bye -------------------------------> nothing more can come
///                                          detach has ended as well: gone ---> destroys the link
///
/// Either side may begin. A mailbox keeps the order of what one sender puts in, so whatever the target answered arrives
/// before `severed`, and whatever the host sent arrives before `bye`.
class link {
  public:
    link(loop_transport& t, host_end& host, core::reactor& host_home, core::core_lease target_lease,
         std::shared_ptr<const nvmf::port> port, std::uint64_t number, std::uint16_t entries);
    ~link();

    loop_transport& transport;
    core::reactor& host_home;
    const core::core_lease target_lease;
    core::reactor& target_home() const noexcept { return target_lease.home(); }
    const std::shared_ptr<const nvmf::port> port;  ///< where the target listens
    const std::uint64_t number;                    ///< of all connections, from 1
    const std::uint16_t entries;                   ///< slots; one fewer may be outstanding
    const std::unique_ptr<slot[]> slots;

    // On the host's reactor.
    host_end* host;

    // On the target's reactor.
    std::unique_ptr<loop_qpair> qpair;  ///< nullptr: not yet, or no longer
    bool host_is_done = false;
    bool detached = false;

    struct signal : core::message {
        class link* of = nullptr;
    };
    signal hang_up, severed, bye, gone;

    /// Target's reactor, once: makes the queue pair. One that comes while the transport stops is closed again at once.
    void accept();

    /// Target's reactor: sends `gone` once nothing more can come and nothing more is held.
    void destroy_if_done() noexcept;
};

}  // namespace causeway::loop
