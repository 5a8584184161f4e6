// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/command.h"
#include "tests/hostile/cm_connection.h"

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <variant>
#include <vector>

namespace causeway::hostile {

/// One queue pair of a host, with nothing between the caller and the wire. Not thread safe.
class raw_connection {
  public:
    /// Connects; the target's rejection where it rejects, as the status in its private data (0: none given).
    static std::variant<std::unique_ptr<raw_connection>, std::uint16_t> open(const endpoint& at, const ask& what);
    ~raw_connection();
    raw_connection(const raw_connection&) = delete;

    /// Posts a SEND of `capsule` as it is. False: the queue pair does not take it any more.
    bool send(std::span<const std::byte> capsule);
    bool send(const nvme::command& c) { return send(std::as_bytes(std::span(&c, 1))); }

    /// The next response; nullopt: the connection is closed. Throws `unexpected` when neither comes in time.
    std::optional<nvme::completion> receive();
    /// Returns a response that has arrived, if there is one; never waits.
    std::optional<nvme::completion> take();
    bool closed() const noexcept { return closed_; }  ///< as of the last look at it
    /// Waits for the connection to end, dropping responses. Throws `unexpected` if it does not.
    void expect_closed();
    /// True: it ends within `time`.
    bool closes_within(milliseconds time);

    void disconnect();
    /// Behaves as a host that dies: sends nothing more to the target while this object exists.
    void vanish();

    /// Memory that the target may read and write under rkey().
    std::span<std::byte> memory() noexcept { return {memory_.data(), memory_.size()}; }
    std::uint32_t rkey() const noexcept { return remote_->rkey; }
    std::uint64_t address() const noexcept { return reinterpret_cast<std::uint64_t>(memory_.data()); }

    std::uint16_t crqsize() const noexcept { return cm_.crqsize(); }
    std::uint32_t responses() const noexcept { return responses_; }

    static constexpr std::size_t memory_size = 1 << 20;

  private:
    explicit raw_connection(const endpoint& at) : at_(at), cm_(at) {}
    void make_queue_pair(const ask& what);
    void post_receive(std::uint32_t i);
    void look();  ///< processes completions and events that have arrived

    endpoint at_;
    cm_connection cm_;
    ibv_pd* pd_ = nullptr;
    ibv_cq* cq_ = nullptr;
    std::vector<std::byte> memory_, sends_, receives_;
    ibv_mr *remote_ = nullptr, *send_mr_ = nullptr, *receive_mr_ = nullptr;
    std::deque<nvme::completion> arrived_;
    std::uint32_t next_send_ = 0;
    std::uint32_t responses_ = 0;
    bool closed_ = false;
};

}  // namespace causeway::hostile
