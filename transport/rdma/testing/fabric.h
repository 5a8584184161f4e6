// SPDX-License-Identifier: Apache-2.0
#pragma once

// An RDMA device, its network and the hosts at the other end, in one thread and in virtual time. fake_verbs.cc and
// fake_cm.cc stand in for libibverbs and librdmacm: a test program links them instead.
//
// The device is strict: it complains (as a failed test) about a send queue, a completion queue or a receive queue that
// overruns, about more RDMA READs than were agreed on, about memory that is not registered, and about objects that are
// destroyed in the wrong order or never. It moves data when it comes to a work request, not when that is posted.

#include "core/simulation.h"
#include "nvme/command.h"
#include "nvme/rdma.h"

#include <array>
#include <deque>
#include <functional>
#include <infiniband/verbs.h>
#include <map>
#include <memory>
#include <optional>
#include <rdma/rdma_cma.h>
#include <set>
#include <string>
#include <vector>

namespace causeway::rdma::test {

class fabric;
class host_end;

struct fake_cq final : ibv_cq {
    fake_cq() : ibv_cq{} {}
    struct entry {
        ibv_wc wc;
        std::uint64_t retires = 0;  ///< of the queue pair's send queue, when polled
    };
    std::deque<entry> entries;
    bool notify = false;
};

struct fake_srq final : ibv_srq {
    fake_srq() : ibv_srq{} {}
    std::deque<ibv_recv_wr> posted;  ///< sg_list points to `pieces` by wr_id
    std::map<std::uint64_t, ibv_sge> pieces;
    std::uint32_t capacity = 0;
};

struct fake_qp final : ibv_qp {
    fake_qp() : ibv_qp{} {}
    struct work {
        ibv_send_wr request;
        ibv_sge piece;
        std::vector<std::byte> inlined;
        std::uint64_t sequence;
    };
    std::deque<work> works;
    fake_cq* completions = nullptr;
    fake_srq* receives = nullptr;
    host_end* host = nullptr;
    std::uint32_t capacity = 0;
    std::uint32_t reads_allowed = 0;
    std::uint64_t posted = 0, retired = 0;  ///< sequences
    std::uint32_t reads_posted = 0;
    bool last_receive_said = false;
};

/// What the device is, and what it does wrong.
struct device_options {
    ibv_device_attr attributes{};
    /// As mlx5 does: what a dying queue pair has left in its completion queue goes with it, receives included.
    bool cleans_up_on_destroy = true;
    /// Completions that a call of ibv_poll_cq finds, at most: cores that do not keep up. 0: all.
    unsigned completions_per_poll = 0;
    /// Completions of other work that lie before the last receives of each queue pair that goes into error.
    unsigned backlog = 0;
    /// 1 of so many calls that post sends is refused half way; 0: none.
    unsigned refuses_posts = 0;
    bool inlines = true;
    bool resizes_queues = true;
    bool registers_memory = true;
    /// All that can move does, each time the network has a look: no connection has less of it where there are more of
    /// them.
    bool is_wide = false;
    std::size_t host_memory = 1 << 20;  ///< bytes of each host's end

    device_options();
};

/// The host's end of one connection.
class host_end {
  public:
    enum class state { requesting, accepted, rejected, closed };

    struct response {
        nvme::completion completion;
        std::optional<std::uint32_t> invalidated;
    };

    void send(std::vector<std::byte> capsule) {
        capsules_.push_back(std::move(capsule));
        wake();
    }
    /// The host goes.
    void disconnect();
    /// And nobody looks at this any more: it is destroyed when the target has let go of the connection.
    void abandon();

    state is = state::requesting;
    std::uint16_t status = 0;  ///< of a rejection
    std::uint16_t crqsize = 0;
    std::deque<response> responses;
    std::vector<std::byte> memory;  ///< under `key`
    std::uint32_t key = 0;
    std::uint64_t address() const noexcept { return reinterpret_cast<std::uint64_t>(memory.data()); }
    bool takes_responses = true;   ///< false: SENDs to it wait for ever
    bool says_established = true;  ///< false: it never takes up what the target has accepted
    /// The device refuses the target's next chain to this host from its first signaled work request on.
    bool next_post_is_refused = false;
    /// Its capsules arrive in the last moment before its queue pair goes into error.
    bool sends_late = false;
    bool all_arrived() const { return capsules_.empty(); }
    unsigned not_ready = 0;  ///< times that a capsule found no receive
    fake_qp* qp = nullptr;   ///< the target's

  private:
    friend class fabric;
    void wake();
    fabric* fabric_ = nullptr;
    bool abandoned_ = false;
    std::deque<std::vector<std::byte>> capsules_;
    rdma_cm_id* id_ = nullptr;
};

class fabric {
  public:
    explicit fabric(core::simulation& sim, device_options options = {});
    ~fabric();
    static fabric& current();

    /// A connection request to `address` at the only device there is, from the IPv4 address `from`; 0: from one that no
    /// other host has. nullptr: no listener at this address.
    host_end* request(const std::string& address, std::uint16_t port, const nvme::rdma_cm_request& private_data,
                      std::uint8_t reads = 16, std::uint32_t from = 0);

    /// The device fails, and says so; or it is taken away, as the connection manager says.
    void fail_device();
    void remove_device();
    /// A completion queue of it has overrun: it is lost, and can be used again at once.
    void fail_completion_queue();
    /// It can be used again.
    void restore_device() { gone_ = false; }
    /// The address of a listener changes.
    void change_address();
    /// Called when an identifier is destroyed, before it is gone.
    std::function<void(rdma_cm_id&)> on_destroy_id;

    device_options options;
    /// Objects that exist, by kind. All zero when everything was released.
    std::map<std::string, int> objects;
    std::size_t receives_posted() const;
    unsigned data_moved = 0;
    unsigned accepted = 0;

    // ---- For fake_verbs.cc and fake_cm.cc.
    struct fake_id final : rdma_cm_id {
        fake_id() : rdma_cm_id{} {}
        bool listening = false;
        std::string address;
        std::uint16_t port = 0;
        unsigned events_held = 0;
    };
    struct fake_event final : rdma_cm_event {
        fake_event() : rdma_cm_event{} {}
        std::vector<std::byte> data;
    };
    ibv_context context{};
    bool gone() const noexcept { return gone_; }
    void wake();
    void push_event(fake_id& id, rdma_cm_event_type type, std::vector<std::byte> data = {}, std::uint8_t reads = 0,
                    fake_id* listener = nullptr);
    void push_async(ibv_event_type type, ibv_qp* qp = nullptr);
    void complete(fake_cq& cq, const ibv_wc& wc, std::uint64_t retires);
    void to_error(fake_qp& qp);
    bool memory_is_registered(std::uint64_t address, std::uint64_t length, std::uint32_t key) const;
    void forget(fake_qp& qp);
    void forget(rdma_cm_id* id);
    void close(host_end& h);
    host_end* end_of(const rdma_cm_id* id) const;

    std::set<fake_id*> ids;
    struct by_number {
        bool operator()(const fake_qp* a, const fake_qp* b) const noexcept { return a->qp_num < b->qp_num; }
    };
    std::set<fake_qp*, by_number> qps;  ///< so that a seed says which one is next, whatever memory they lie in
    std::set<fake_srq*> srqs;
    std::map<std::uint32_t, ibv_mr*> regions;
    std::deque<fake_event*> events;
    std::deque<ibv_async_event> async_events;
    std::uint32_t next_key = 1000, next_qp_num = 100;
    int event_fd = -1;

  private:
    void turn();
    bool pending() const;
    void move_some();
    void move_all();
    bool deliver(host_end& h);
    void arrive_late(fake_qp& qp);
    bool work(fake_qp& qp);
    void finish(fake_qp& qp, const fake_qp::work& w, ibv_wc_status status);
    ibv_wc_status move(fake_qp& qp, const fake_qp::work& w);

    core::simulation& sim_;
    core::timer timer_;
    bool gone_ = false;
    ibv_device device_{};
    std::vector<std::unique_ptr<host_end>> hosts_;
};

}  // namespace causeway::rdma::test
