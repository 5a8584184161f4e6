// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/softrdma/cm/id.h"

namespace softrdma::cm {

/// What the state asked for in `a.qp_state` takes. False with errno: the connection is not that far.
bool fill(id& i, ibv_qp_attr& a, int& mask);

/// To ready-to-receive and ready-to-send. False with errno.
bool to_connected(id& i);
void to_error(id& i);

}  // namespace softrdma::cm
