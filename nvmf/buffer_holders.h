#pragma once

#include "core/buffer_account.h"
#include "nvmf/transport.h"

namespace causeway::nvmf {

/// On whose behalf a transport takes a buffer for a command of `q`: its namespace on this core, if it names one that is
/// there, and its host. Data for the host are the disk's at first. May be asked before begin(). Home reactor.
core::buffer_holders buffer_holders_of(const qpair& q, const nvme::command& c) noexcept;

}  // namespace causeway::nvmf
