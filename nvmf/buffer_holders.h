// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/buffer_account.h"
#include "nvmf/model/nvm_namespace.h"
#include "nvmf/qpair.h"

namespace causeway::nvmf {

/// The namespace and the host that a transport takes a buffer for: the command's namespace on this core, if it exists,
/// and the host of `q`. Data for the host counts for the disk at first. May be called before begin(). Home reactor.
inline core::buffer_holders buffer_holders_of(const qpair& q, const nvme::command& c) noexcept {
    const qpair_target_side& side = q.target_side_;
    core::buffer_holders h;
    h.host = side.host_number;
    if (const core_namespace* ns = side.namespaces ? side.namespaces->find(c.nsid) : nullptr)
        h.ns = ns->generation;
    if (nvme::transfer_of(c.opcode) == nvme::data_transfer::controller_to_host)
        h.first = core::buffer_user::ns;
    return h;
}

}  // namespace causeway::nvmf
