// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstring>
#include <gtest/gtest.h>
#include <infiniband/verbs.h>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace softrdma::testing {

using namespace std::chrono_literals;

/// How a side of a connection is made, where it is not as usual.
struct shape {
    unsigned sends = 16, receives = 16, completions = 256;
    unsigned access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ;
    std::uint8_t reads = 4;  ///< RDMA READs, both ways
    std::uint8_t reads_served = 4;
    std::uint8_t timeout = 8;  ///< 1 ms
    std::uint8_t retries = 1;
    std::uint8_t rnr_retries = 7;
    std::uint8_t rnr_timer = 1;  ///< 10 us
    bool all_signaled = true;
    bool extended = false;  ///< made for ibv_wr_send() and the like
    bool with_srq = false;
    unsigned srq_limit = 0;
    unsigned region_access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ;
};

/// A queue pair with a completion queue, a channel and 64 KiB of registered memory of its own.
class side {
  public:
    explicit side(ibv_context* on, const shape& s = {});
    ~side();
    side(const side&) = delete;

    void to_init();
    void to_ready(const ibv_gid& gid, std::uint32_t number);
    void to_error();
    ibv_gid gid() const;

    std::byte* data(std::size_t at = 0) { return memory.data() + at; }
    ibv_sge piece(std::size_t at, std::uint32_t length) {
        return {reinterpret_cast<std::uint64_t>(data(at)), length, mr->lkey};
    }
    void write_text(std::size_t at, const std::string& text) { std::memcpy(data(at), text.data(), text.size()); }
    std::string text(std::size_t at, std::size_t length) { return {reinterpret_cast<char*>(data(at)), length}; }

    int receive(std::uint64_t id, std::vector<ibv_sge> pieces);
    int send(ibv_send_wr wr, std::vector<ibv_sge> pieces);
    int send(std::uint64_t id, std::vector<ibv_sge> pieces, ibv_wr_opcode opcode = IBV_WR_SEND);
    int rdma(std::uint64_t id, ibv_wr_opcode opcode, ibv_sge piece, const side& other, std::size_t at);

    /// The next completion; fails the test if none comes within ten seconds.
    ibv_wc next();
    bool none();
    ibv_async_event event();

    const shape as;
    ibv_context* context;
    ibv_pd* pd;
    ibv_comp_channel* channel;
    ibv_cq* cq;
    ibv_srq* srq = nullptr;
    ibv_qp* qp;
    std::vector<std::byte> memory = std::vector<std::byte>(64 << 10);
    ibv_mr* mr;
};

ibv_context* open_device(int index = 0);

/// Two sides, connected to each other in this process.
struct pair {
    explicit pair(const shape& s = {}) : pair(s, s) {}
    pair(const shape& of_a, const shape& of_b);
    std::unique_ptr<ibv_context, int (*)(ibv_context*)> context{open_device(), ibv_close_device};
    side a, b;
};

/// Until `condition` holds; fails the test after ten seconds.
template <class Condition>
void wait_for(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (!condition()) {
        ASSERT_LT(std::chrono::steady_clock::now(), end);
        std::this_thread::yield();
    }
}

}  // namespace softrdma::testing
