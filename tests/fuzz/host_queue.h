// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/command.h"
#include "tests/fuzz/gateway.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <rdma/rdma_cma.h>
#include <span>
#include <utility>
#include <vector>

namespace causeway::fuzz {

/// A host's memory that the target may read and write, and where its capsules and responses lie. Outlives connections.
class host_memory {
  public:
    host_memory();

    std::span<std::byte> bytes() noexcept { return data_; }
    std::uint64_t address() const noexcept { return reinterpret_cast<std::uint64_t>(data_.data()); }
    std::uint32_t key() const noexcept { return mr_->rkey; }
    /// As a host does after an invalidation: the old key is not valid any more.
    void renew_key();

    ibv_pd* pd() const noexcept { return pd_; }

    /// Receives of the target that our capsules have taken, on all connections.
    std::uint64_t receives_taken = 0;

    static constexpr std::size_t size = 1 << 20;
    /// Offsets below leave room for the longest transfer.
    static constexpr std::size_t usable = size - max_io_size;

  private:
    ibv_pd* pd_;
    std::vector<std::byte> data_;
    ibv_mr* mr_ = nullptr;
};

inline constexpr std::uint16_t rdma_port = 4420;  ///< of the gateway, in a network of its own

/// One queue pair of the host, whose messages are sent unchecked. Keeps the account of what was sent and
/// answered, and ends the process when a response fits no command.
class host_queue {
  public:
    /// Returns connected.
    host_queue(gateway& g, host_memory& memory, std::uint16_t qid, std::uint16_t depth, std::uint16_t cntlid = 0);
    /// Tells the target, if the connection is still there.
    ~host_queue();
    host_queue(const host_queue&) = delete;

    /// Posts a SEND. False: it must wait for others, or the connection is over.
    bool send(std::span<const std::byte> capsule);
    /// Receives what has arrived. Returns how much that was.
    unsigned poll();
    /// What the connection manager says: a system call.
    void look_at_events();

    bool closed() const noexcept { return closed_; }
    std::uint32_t outstanding() const noexcept { return outstanding_; }
    /// Something that was sent has not arrived.
    bool sending() const noexcept { return free_sends_.size() != send_slots; }
    /// Of what is outstanding, a capsule has been too short for a command.
    bool has_short_outstanding() const noexcept { return short_ != 0; }
    std::uint16_t depth() const noexcept { return depth_; }
    /// A cid that is not outstanding.
    std::uint16_t free_cid() const noexcept;
    /// One that is. REQUIRES: something is, and !has_short_outstanding().
    std::uint16_t outstanding_cid() const noexcept;
    /// The response to that cid, once it is there. Of the one last asked for by expect() alone.
    void expect(std::uint16_t cid) noexcept;
    const std::optional<nvme::completion>& expected() const noexcept { return answer_; }
    /// Whether a response has invalidated the key of the memory since the last call.
    bool take_invalidated() noexcept { return std::exchange(invalidated_, false); }

    static constexpr std::uint32_t send_slots = 32;
    static constexpr std::size_t longest_capsule = 8192;

  private:
    void connect(std::uint16_t qid, std::uint16_t cntlid);
    rdma_cm_event* wait_event();
    void make_queue_pair();
    void post_receive(std::uint32_t slot);
    void answered(const ibv_wc& wc);

    static constexpr std::uint32_t receive_slots = 64;
    static constexpr std::uint64_t send_mark = 1ull << 32;

    gateway& gateway_;
    host_memory& memory_;
    const std::uint16_t depth_;
    rdma_event_channel* channel_ = nullptr;
    rdma_cm_id* id_ = nullptr;
    ibv_cq* cq_ = nullptr;
    std::vector<std::byte> sends_, receives_;
    ibv_mr *sends_mr_ = nullptr, *receives_mr_ = nullptr;
    std::vector<std::uint32_t> free_sends_;
    std::vector<std::uint8_t> counts_;  ///< outstanding, by cid
    std::uint32_t outstanding_ = 0;
    std::uint32_t short_ = 0;
    std::optional<std::uint16_t> expected_cid_;
    std::optional<nvme::completion> answer_;
    bool invalidated_ = false;
    bool closed_ = false;
};

}  // namespace causeway::fuzz
