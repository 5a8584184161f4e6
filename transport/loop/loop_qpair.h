// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/condition_variable.h"
#include "nvmf/transport.h"
#include "transport/loop/data_buffers.h"
#include "transport/loop/link.h"

#include <string_view>

namespace causeway::loop {

/// The target's end of a link. Lives on the target's reactor from the moment the connection is accepted until detach()
/// has ended.
class loop_qpair final : public nvmf::qpair {
  public:
    explicit loop_qpair(link& l);
    ~loop_qpair() override;

    /// A command has arrived.
    void receive(slot& s) noexcept;

    void respond(nvmf::request& r) noexcept override;
    void resume(nvmf::request& r) noexcept override;
    void disconnect(nvmf::disconnect_reason why) noexcept override;
    bool abort_waiting(std::uint16_t cid) noexcept override;
    nvmf::transport_address local_address() const override { return link_.port->at; }
    nvmf::transport_address peer_address() const override;
    std::string_view transport_name() const noexcept override { return "LOOP"; }

    loop_qpair* next = nullptr;  ///< in the list of its core

  private:
    void on_begun(slot& s, nvme::status begun) noexcept;
    void borrow_memory(slot& s) noexcept;
    bool has_private_buffer(const slot& s) const noexcept;
    void find_buffer(slot& s) noexcept;
    void run(slot& s, std::byte* buffer) noexcept;
    void send_response(slot& s) noexcept;
    void send_last_response(slot& s) noexcept;  ///< while the connection closes
    void send_completion(slot& s) noexcept;
    void abandon_waiting(slot& s) noexcept;
    bool executes() const noexcept;
    core::task<> tear_down();

    link& link_;
    data_buffers* const buffers_;  ///< of its core; nullptr: data is borrowed
    core::accounts_at_hand accounts_;
    std::uint16_t sq_head_ = 0;
    bool closing_ = false;  ///< no new command begins
    bool muted_ = false;    ///< nor is one answered
    core::condition_variable answered_;
    struct teardown_message : core::message {
        loop_qpair* of = nullptr;
    } teardown_message_;
};

}  // namespace causeway::loop
