// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/request.h"
#include "nvmf/verdict.h"

namespace causeway::nvmf {

// How requests of all commands leave the target.

/// On the request's home reactor. Ends what execute() began.
void finish(request& r, nvme::status s) noexcept;

/// On the request's home reactor. As finish(); a status that is not success is counted and logged before.
void finish_logged(request& r, verdict v) noexcept;

/// Any reactor. As finish_logged(), on the home reactor.
void finish_on_home_core(request& r, verdict v) noexcept;

/// On the request's home reactor. Counts a command that begin() refuses and adds it to the controller's error log.
/// Returns the status to respond with.
nvme::status refuse(request& r, verdict v) noexcept;

/// Any reactor, while the request's qpair is not in the hands of another. An entry of the error log; the
/// status to answer with, which says More.
nvme::status log_error(request& r, verdict v) noexcept;

}  // namespace causeway::nvmf
