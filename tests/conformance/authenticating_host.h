// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/event.h"
#include "core/result.h"
#include "core/task.h"
#include "host/queue_pair.h"
#include "tests/conformance/row.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace causeway::conformance {

/// A connection of a host that authenticates message by message, for one row. On one reactor.
class authenticating_host {
  public:
    struct names {
        std::string subnqn, hostnqn;
    };
    authenticating_host(host::connector& by, names who, std::uint8_t dhgroup);
    ~authenticating_host();

    /// An I/O queue of that controller, instead of an admin queue.
    void join(std::uint16_t cntlid, std::uint16_t qid) noexcept {
        cntlid_ = cntlid;
        qid_ = qid;
    }

    /// Connects and sends the good messages up to that stage. The error says which step failed.
    core::task<core::result<>> reach(auth_stage s);
    /// The row's command, with its message if it has one.
    core::task<core::result<nvme::completion>> send(const row& r, std::vector<std::byte>& data);
    core::task<core::result<>> receive_failure1(nvme::auth_explanation expected);
    /// Whether the target closes the connection. It waits for that for some seconds.
    core::task<bool> ends();

  private:
    core::task<core::result<>> connect();
    core::task<core::result<>> send(auth::bytes message);
    core::task<core::result<auth::bytes>> receive();

    host::connector& by_;
    const names who_;
    std::uint16_t cntlid_, qid_ = 0;
    auth_host host_;
    auth::bytes challenge_;
    core::event lost_;
    std::unique_ptr<host::queue_pair> queue_;
};

}  // namespace causeway::conformance
