// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace softrdma {

/// Answers one client of the control socket until it goes: each message is a fault rule, answered by "ok" or what is
/// wrong with it; or "record", answered by the record as it stands. Blocks; closes `fd`.
void serve_control(int fd);

}  // namespace softrdma
