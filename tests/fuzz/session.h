// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/fuzz/gateway.h"
#include "tests/fuzz/history.h"
#include "tests/fuzz/host_queue.h"
#include "tests/fuzz/idle_state.h"
#include "tests/fuzz/script.h"

#include <array>
#include <memory>
#include <vector>

namespace causeway::fuzz {

/// A host with a live controller, which plays scripts and judges what comes back.
///
/// After each: all that was sent is answered once, or its connection closed and made anew; buffers, requests and
/// receives are back. Now and then, and after each new connection: what is written is what is read.
class session {
  public:
    session();
    /// False: not this time, too many connections have been closed lately.
    bool play(std::span<const std::uint8_t> input);

    struct counts {
        std::uint64_t inputs, capsules, repairs, queues, controllers;
    };
    const counts& counted() const noexcept { return counts_; }

  private:
    enum index : std::size_t { io, admin, fresh };

    void act(const step& s, bool rough);
    void send(const step& s, bool rough);
    void patch(std::span<std::byte> capsule, bool raw);
    void aim(nvme::sgl_descriptor& d, bool raw) const;
    void insert_cntlid(const nvme::command& c);

    unsigned take_turn();
    void run_until_quiet();
    std::optional<nvme::completion> call(host_queue& q, nvme::command c, std::uint32_t length = 0);
    bool trouble() const;
    void settle();
    bool release_held();
    bool stays_enabled();

    void repair();
    void clear_away();
    void open_all();
    bool open_io();
    bool enabled();
    std::optional<nvme::status> connect(host_queue& q, std::uint16_t qid, std::uint16_t cntlid);
    std::size_t live() const noexcept;

    void check_content();
    void check_idle();

    /// Of the memory: what the session's own commands move. Scripts' data may pass through, but not at that time.
    static constexpr std::size_t own_offset = host_memory::usable + 8192;

    gateway gateway_;
    host_memory memory_;
    idle_state idle_;
    history history_;
    std::array<std::unique_ptr<host_queue>, 3> queues_;
    std::uint16_t cntlid_ = 0;
    counts counts_{};
    std::int64_t credit_;
    std::uint64_t opened_at_ = 0;  ///< inputs before the controller
    bool cc_touched_ = false;
    std::vector<std::byte> capsule_;
    std::vector<std::pair<std::size_t, std::size_t>> written_;  ///< of the memory, by the script
};

}  // namespace causeway::fuzz
