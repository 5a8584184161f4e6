// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/softrdma/verbs/device.h"

#include <cstddef>

namespace softrdma {

/// What inline verbs call through a context: the data path, and what has been added to the interface since.
void set_operations(context& c);

int query_port(ibv_context* base, std::uint8_t port, ibv_port_attr* out, std::size_t size);
ibv_qp* create_qp_ex(ibv_context* base, ibv_qp_init_attr_ex* ex);

}  // namespace softrdma
