#pragma once

#include "nvme/command.h"
#include "nvme/rdma.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <rdma/rdma_cma.h>
#include <span>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

namespace causeway::hostile {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

/// What went otherwise than a well-behaved target would have it.
struct unexpected : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Where the target is.
struct endpoint {
    std::string address = "10.77.1.1";
    std::uint16_t port = 4420;
    std::string nqn;
    std::string host_nqn = "nqn.2014-08.org.nvmexpress:uuid:0c5a7b3e-57ac-4d4e-9d0b-9d6f6e1f0bad";
    std::uint32_t nsid = 1;
    milliseconds patience = 20s;  ///< for one answer
};

/// What a connection request says, right or wrong.
struct ask {
    std::uint16_t recfmt = 0;
    std::uint16_t qid = 0;
    std::uint16_t hrqsize = 32;
    std::uint16_t hsqsize = 31;
    std::uint16_t cntlid = 0;
    std::uint8_t reads = 16;                       ///< RDMA READs that we serve at a time
    unsigned receives = 64;                        ///< posted for responses
    std::optional<std::vector<std::byte>> raw;     ///< private data instead of the above
};

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
    /// Waits for the connection to end, dropping responses. Throws `unexpected` if it does not.
    void expect_closed();
    /// True: it ends within `time`.
    bool closes_within(milliseconds time);

    void disconnect();
    /// As a host that dies: nothing is said to the target, for as long as this object lives.
    void vanish();

    /// Memory that the target may read and write under rkey().
    std::span<std::byte> memory() noexcept { return {memory_.data(), memory_.size()}; }
    std::uint32_t rkey() const noexcept { return remote_->rkey; }
    std::uint64_t address() const noexcept { return reinterpret_cast<std::uint64_t>(memory_.data()); }

    std::uint16_t crqsize() const noexcept { return crqsize_; }
    std::uint32_t responses() const noexcept { return responses_; }

    static constexpr std::size_t memory_size = 1 << 20;

  private:
    raw_connection() = default;
    rdma_cm_event_type wait_event(milliseconds time, rdma_cm_event** out);
    void make_queue_pair(const ask& what);
    void post_receive(std::uint32_t i);
    void look();  ///< takes completions and events that are there

    endpoint at_;
    rdma_event_channel* channel_ = nullptr;
    rdma_cm_id* id_ = nullptr;
    ibv_pd* pd_ = nullptr;
    ibv_cq* cq_ = nullptr;
    std::vector<std::byte> memory_, sends_, receives_;
    ibv_mr *remote_ = nullptr, *send_mr_ = nullptr, *receive_mr_ = nullptr;
    std::deque<nvme::completion> arrived_;
    std::uint32_t next_send_ = 0;
    std::uint32_t responses_ = 0;
    std::uint16_t crqsize_ = 0;
    bool closed_ = false;
};

}  // namespace causeway::hostile
