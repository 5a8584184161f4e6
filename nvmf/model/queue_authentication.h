// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/timer.h"
#include "nvmf/model/auth_exchange.h"
#include "nvmf/qpair.h"

namespace causeway::nvmf {

class controller;

/// The authentication of one queue pair, from its Connect on. Control reactor; its controller lists it while it lists
/// the queue pair, and commands that run share it.
///
/// One time limit holds for the whole of an exchange: KATO, or 120 s without one.
class queue_authentication {
  public:
    /// `owner` and `connection` outlive end(). `required`: the time limit starts now.
    queue_authentication(controller& owner, qpair& connection, std::uint16_t qid, const transport_address& peer,
                         bool required);

    bool is_required() const noexcept { return required_; }
    bool ended() const noexcept { return ended_; }
    /// Where the host comes from, as host_network_of() has it.
    const std::string& network() const noexcept { return network_; }
    /// The queue pair is not listed any more.
    void end() noexcept {
        ended_ = true;
        deadline_.cancel();
    }

    /// A message has come: an exchange that begins has its time from now on.
    void begin_if_due();
    /// The exchange has moved on. True: it has failed just now, and the operator has been told.
    bool report();

    auth_exchange exchange;
    bool busy = false;  ///< a message of the host is being worked on

  private:
    void on_deadline();
    void log_failure(std::string_view why) const;
    std::string describe() const;

    controller& controller_;
    qpair& connection_;
    const std::uint16_t qid_;
    const transport_address peer_;
    const std::string network_;
    const bool required_;
    bool ended_ = false;
    bool reported_ = false;
    core::timer deadline_;
};

}  // namespace causeway::nvmf
