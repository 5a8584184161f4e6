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
//                        execute(). Or `deferred`: the request has to wait before it takes a buffer, because its
//                        namespace has used up a limit. The transport keeps it until qpair::resume() goes on with it,
//                        or gives it up with target::abandon(). What has come with its capsule waits with it.
//   2. (the transport finds a buffer, and for data from the host fetches it)
//   3. execute(request)  run it. Ends with qpair::respond(request), on the same reactor, maybe at once.
//
// Requests and queue pairs have two sides: what a transport sets is in their transport side, and what the target keeps
// about them is in their target side, which transports cannot reach. What a transport may ask of it has a function.
//
// Nothing here depends on sockets or verbs.

#include "core/result.h"
#include "core/task.h"
#include "nvme/discovery.h"
#include "nvmf/port.h"
#include "nvmf/qpair.h"
#include "nvmf/request.h"
#include "nvmf/transport_options.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace causeway::nvmf {

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

    // Its counters are in target::counter_list(), under the subject "transport".
    /// Commands on `core` that have ever had to wait for a buffer.
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
