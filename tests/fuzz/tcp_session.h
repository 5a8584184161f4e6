// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/fuzz/gateway.h"
#include "tests/fuzz/reservation_report.h"
#include "tests/fuzz/tcp_host.h"

#include <array>
#include <cstdint>
#include <memory>
#include <span>

namespace causeway::fuzz {

/// Plays scripts on TCP connections to a live gateway, and judges: see README.md.
class tcp_session {
  public:
    tcp_session();
    void play(std::span<const std::uint8_t> input);

    struct counts {
        std::uint64_t inputs = 0, connections = 0, commands = 0, answers = 0, closed = 0, reservations = 0;
    };
    const counts& counted() const noexcept { return counts_; }

  private:
    struct script;

    void step(script& s);
    tcp_host& current();
    std::uint16_t next_qid();
    std::unique_ptr<tcp_host> open(std::uint16_t qid, const tcp_host::beginning& b, std::uint8_t host);
    void send_reservation_command(script& s);
    struct kept {
        std::unique_ptr<tcp_host> admin;
        std::uint16_t cntlid = 0;
    };
    kept open_controller(std::uint8_t host);
    void open_keeper();
    void run_until_quiet(bool deaf);
    void check_idle();
    void check_content();

    reservation_report report(std::uint32_t nsid);
    nvme::status run(nvme::command c, std::span<const std::byte> data = {});
    void check_reservation(std::uint32_t nsid);
    void check_enforced(std::uint32_t nsid, const reservation_report& r);
    void clear_reservation(std::uint32_t nsid, const reservation_report& r);
    std::size_t connections();

    const std::uint16_t port_;
    gateway gateway_;
    /// Controllers of two hosts, which scripts join. The first one writes and reads between them.
    std::array<kept, 2> kept_;
    std::unique_ptr<tcp_host> io_;
    std::uint16_t last_qid_ = 1;
    std::array<std::unique_ptr<tcp_host>, 4> hosts_;
    std::size_t at_ = 0;
    unsigned opened_ = 0;  ///< by this input, politely
    counts counts_;
};

}  // namespace causeway::fuzz
