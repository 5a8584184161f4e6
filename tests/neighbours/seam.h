// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "core/simulation.h"
#include "host/queue_pair.h"
#include "nvmf/target.h"

#include <memory>
#include <string>

namespace causeway::neighbours {

/// One transport of the gateway, in virtual time, and the way by which hosts come to it. Control reactor.
class seam {
  public:
    virtual ~seam() = default;
    /// Once, before anything else.
    virtual core::result<std::unique_ptr<nvmf::transport>> make_transport(nvmf::target& t) = 0;
    /// Where it listens.
    virtual const nvmf::transport_address& address() const = 0;
    /// Hosts' queue pairs. Admin queues are polled in each turn, as I/O queues are.
    virtual host::connector& connector() = 0;
    /// Connections that exist, those that are parting included.
    virtual std::size_t connections() const = 0;
};

/// What hosts of all seams ask of the transport. Buffers as by default where they matter.
inline nvmf::transport_options seam_options() {
    nvmf::transport_options o;
    o.large_buffers = 16;
    return o;
}

std::unique_ptr<seam> make_loop_seam(core::simulation& s);
std::unique_ptr<seam> make_tcp_seam(core::simulation& s);
std::unique_ptr<seam> make_rdma_seam(core::simulation& s);

}  // namespace causeway::neighbours
