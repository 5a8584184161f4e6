#pragma once

#include "core/buffer_account.h"
#include "nvmf/name_space.h"
#include "nvmf/transport.h"

namespace causeway::nvmf {

/// On whose behalf a transport takes a buffer for a command of `q`: its namespace on this core, if it names one that is
/// there, and its host. Data for the host are the disk's at first. May be asked before begin(). Home reactor.
inline core::buffer_holders buffer_holders_of(const qpair& q, const nvme::command& c) noexcept {
    core::buffer_holders h;
    h.host = q.host_number;
    if (const core_namespace* ns = q.namespaces ? q.namespaces->find(c.nsid) : nullptr)
        h.ns = ns->generation;
    if (nvme::transfer_of(c.opcode) == nvme::data_transfer::controller_to_host)
        h.first = core::buffer_user::ns;
    return h;
}

}  // namespace causeway::nvmf
