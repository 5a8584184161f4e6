// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/rdma_host/load.h"

#include <string>

namespace causeway::rdma_host {

std::string as_text(const outcome& o);
std::string as_json(const outcome& o);

}  // namespace causeway::rdma_host
