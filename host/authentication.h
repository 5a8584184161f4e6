// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "core/task.h"
#include "host/queue_pair.h"
#include "wire/auth/dhchap_key.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace causeway::host {

/// The keys of one host and one subsystem.
struct dhchap_credentials {
    auth::dhchap_key host;
    std::optional<auth::dhchap_key> ctrlr;  ///< nullopt: the controller need not prove itself
};

/// Keys as `nvme gen-dhchap-key` writes them; an empty `ctrlr_key`: none. EINVAL, which quotes nothing of them.
core::result<dhchap_credentials> parse_credentials(std::string_view host_key, std::string_view ctrlr_key = {});

/// Who authenticates to whom, and by which number: it differs from one authentication of a queue to the next.
struct authentication_parties {
    std::string hostnqn, subnqn;
    std::uint16_t t_id = 1;
};

/// The host's end of DH-HMAC-CHAP, on a queue pair on which Connect has succeeded, at once or later again. Offers all
/// hash functions and groups. On the queue pair's reactor, which does the arithmetic: up to tens of milliseconds.
///
/// Errors: EACCES (our key, or the controller's, was not proved), ECONNRESET, EPROTO.
core::task<core::result<>> authenticate(queue_pair& q, const dhchap_credentials& keys, authentication_parties who);

}  // namespace causeway::host
