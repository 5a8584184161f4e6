// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "nvmf/target.h"
#include "nvmf/transport.h"
#include "transport/rdma/options.h"

#include <memory>

namespace causeway {

/// NVMe over RDMA. On the control reactor. EINVAL: options out of range; ENODEV: this machine has no RDMA.
/// REQUIRES: stop() has ended before it is destroyed.
core::result<std::unique_ptr<nvmf::transport>> make_rdma_transport(nvmf::target& target,
                                                                   rdma::transport_options options);
nvmf::transport_kind rdma_transport_kind();

}  // namespace causeway
