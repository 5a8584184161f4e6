// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/poller.h"
#include "host/queue_pair.h"
#include "host/rdma_cm.h"

#include <array>
#include <cstdlib>
#include <memory>
#include <optional>
#include <vector>

namespace causeway::host {

/// NVMe over RDMA, a host's end of one connection: plain verbs, one doorbell for what a turn submits.
///
/// Data in memory registered by use_memory() is transferred in place. Other data, and data in several pieces, is
/// copied, which is fast enough for admin commands.
class rdma_queue_pair final : public queue_pair, private core::poller {
  public:
    /// `cm` has resolved its address. Errors: the device has no room for another queue pair.
    static core::result<std::unique_ptr<rdma_queue_pair>> make(std::unique_ptr<rdma_cm> cm,
                                                               const queue_pair_options& o);
    ~rdma_queue_pair() override;

    /// Once, before anything else.
    core::task<core::result<>> connect();

    bool submit(request& r) noexcept override;
    void close() noexcept override;
    bool use_memory(std::span<std::byte> memory) override;

  private:
    rdma_queue_pair(std::unique_ptr<rdma_cm> cm, const queue_pair_options& o);

    static constexpr unsigned spare = 2;       ///< receives and work requests beside those of commands
    static constexpr unsigned max_pieces = 4;  ///< of data in a capsule, as Linux does at most

    struct free_memory {
        void operator()(std::byte* p) const noexcept { std::free(p); }
    };
    /// Memory of our own, with its keys.
    struct region {
        std::unique_ptr<std::byte[], free_memory> memory;
        std::size_t size = 0;
        ibv_mr* mr = nullptr;
        bool allocate(ibv_pd* pd, std::size_t bytes);
        void release() noexcept;
    };
    struct slot {
        ibv_send_wr send{};
        ibv_sge pieces[1 + max_pieces]{};
        request* r = nullptr;
        std::uint16_t cid = 0;
        bool is_sent = false, is_answered = false;
        bool is_copied = false;  ///< its data is in `copy`
        region copy;
        nvme::completion answer{};
    };

    core::result<> make_resources();
    unsigned poll(unsigned budget) noexcept override;
    void flush() noexcept override;
    bool arm() noexcept override;
    void take_channel_events() noexcept;

    bool describe_data(slot& s, nvme::command& c) noexcept;
    const ibv_mr* region_of(const iovec& piece) const noexcept;
    void post_receive(unsigned i) noexcept;
    void take(const ibv_wc& wc) noexcept;
    void take_response(unsigned receive) noexcept;
    void complete_if_done(slot& s) noexcept;
    void finish(slot& s) noexcept;
    void lose(std::string why) noexcept;
    nvme::command* capsule(unsigned i) noexcept { return reinterpret_cast<nvme::command*>(wire_.memory.get()) + i; }
    nvme::completion* response(unsigned i) noexcept { return reinterpret_cast<nvme::completion*>(capsule(depth_)) + i; }

    const queue_pair_options options_;
    std::unique_ptr<rdma_cm> cm_;
    ibv_pd* pd_ = nullptr;
    ibv_comp_channel* channel_ = nullptr;
    ibv_cq* cq_ = nullptr;
    region wire_;  ///< capsules, then responses
    std::vector<ibv_mr*> memory_;
    std::vector<slot> slots_;
    std::vector<std::uint16_t> free_;
    std::vector<ibv_recv_wr> receives_;
    std::vector<ibv_sge> receive_pieces_;
    ibv_send_wr *first_send_ = nullptr, *last_send_ = nullptr;
    ibv_recv_wr *first_receive_ = nullptr, *last_receive_ = nullptr;
    unsigned finished_ = 0;
    bool is_lost_ = false;

    std::optional<core::fd_watch> watch_;
    core::poller_registration registration_;
};

/// Queue pairs over RDMA to one address.
class rdma_connector final : public connector {
  public:
    explicit rdma_connector(address to, core::nanoseconds timeout = std::chrono::seconds(10))
        : address_(std::move(to)), timeout_(timeout) {}
    core::task<core::result<std::unique_ptr<queue_pair>>> open(queue_pair_options o) override;
    std::string name() const override { return address_.text(); }

  private:
    const address address_;
    const core::nanoseconds timeout_;
};

}  // namespace causeway::host
