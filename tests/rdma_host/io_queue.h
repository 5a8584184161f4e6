// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/command.h"
#include "tests/hostile/cm_connection.h"

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace causeway::rdma_host {

using hostile::endpoint;

enum class direction { none, to_host, to_target };

struct queue_options {
    std::uint16_t qid = 1;
    std::uint16_t cntlid = 0;
    unsigned depth = 32;           ///< commands outstanding
    std::uint32_t bytes = 4096;    ///< of data, at most, for each
    std::uint32_t in_capsule = 0;  ///< data for the target up to this goes with the command
    bool events = false;           ///< completions are waited for, not only polled
};

/// An I/O queue of a good host: `depth` slots, each with a buffer. A slot is the caller's again when its response is
/// there *and* its SEND is over. What is submitted goes out at `flush`, with one doorbell. Not thread safe.
class io_queue {
  public:
    /// Connects, and sends Connect. Throws `hostile::unexpected`.
    io_queue(const endpoint& at, const queue_options& o);
    ~io_queue();
    io_queue(const io_queue&) = delete;

    unsigned depth() const noexcept { return options_.depth; }
    std::span<std::byte> data(unsigned slot) noexcept { return {memory_.get() + slot * stride_, stride_}; }

    /// The command's cid and data pointer are the queue's to fill in.
    void submit(unsigned slot, nvme::command c, direction way, std::uint32_t bytes);
    void flush();
    /// Calls `done(slot, completion)` for each command that is over; how many those were. `done` may submit.
    template <class Done>
    unsigned poll(Done&& done) {
        over_.clear();
        look();
        for (const auto& [slot, completion] : over_)
            done(slot, completion);
        return static_cast<unsigned>(over_.size());
    }

    /// Why the queue is of no use any more; empty while it is.
    const std::string& broken() const noexcept { return broken_; }
    /// Takes the connection manager's events.
    void look_at_connection();

    // With `events` only: `arm`, poll once more, wait for one of the descriptors, `disarm`.
    void arm();
    void disarm();
    int completions() const noexcept { return channel_->fd; }
    int connection() const noexcept { return cm_.descriptor(); }

  private:
    static constexpr unsigned spare = 2;       ///< receives and work requests beside those of commands
    static constexpr unsigned max_pieces = 4;  ///< of data in a capsule, as Linux does at most

    struct slot_state {
        ibv_send_wr send{};
        ibv_sge pieces[1 + max_pieces]{};
        nvme::completion response{};
        std::uint16_t cid = 0;
        bool is_sent = true, is_answered = true;
    };
    struct ended {
        unsigned slot;
        nvme::completion response;
    };

    void make_queue_pair();
    void release();
    void greet(const endpoint& at);
    void post_receive(unsigned i);
    void look();
    void take_response(unsigned receive);
    void look_whether_over(unsigned slot);
    void stop_sending(std::string why);
    std::byte* capsule(unsigned slot) { return memory_.get() + capsules_at_ + slot * sizeof(nvme::command); }
    std::byte* response(unsigned receive) { return memory_.get() + responses_at_ + receive * sizeof(nvme::completion); }

    struct free_memory {
        void operator()(std::byte* p) const noexcept { std::free(p); }
    };

    const queue_options options_;
    hostile::cm_connection cm_;
    ibv_pd* pd_ = nullptr;
    ibv_comp_channel* channel_ = nullptr;
    ibv_cq* cq_ = nullptr;
    std::size_t stride_, capsules_at_, responses_at_, bytes_;
    std::unique_ptr<std::byte[], free_memory> memory_;
    ibv_mr* mr_ = nullptr;
    std::vector<slot_state> slots_;
    std::vector<ibv_recv_wr> receives_;
    std::vector<ibv_sge> receive_pieces_;
    ibv_send_wr *first_send_ = nullptr, *last_send_ = nullptr;
    ibv_recv_wr *first_receive_ = nullptr, *last_receive_ = nullptr;
    std::vector<ended> over_;
    std::uint16_t turn_ = 0;
    std::string broken_;
};

}  // namespace causeway::rdma_host
