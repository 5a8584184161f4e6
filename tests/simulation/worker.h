// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "host/loop/host_queue.h"
#include "tests/simulation/simulated_system.h"

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace causeway::simulation {

/// What one session of a host has done to itself: excuses for what its commands get as answers.
struct session_state {
    std::size_t subsystem = 0;
    moment began = 0;
    bool leaving = false;         ///< it closes its connections itself, or lets them be closed
    bool aborting = false;        ///< it has asked for commands back
    std::uint32_t max_bytes = 0;  ///< of one command
    unsigned workers = 0;         ///< still at work
};

/// Sends one command after the other on one queue of a host and judges the answers by the model. Lives in the session's
/// frame.
class worker {
  public:
    worker(simulated_system& w, session_state& s, loop::host_queue& q) : system_(w), session_(s), queue_(q) {}

    /// Until `budget` is used up or the queue is closed.
    core::task<> run(unsigned& budget);
    /// Reads all blocks of `d` and finds no excuse for anything.
    core::task<> read_all(disk& d);

  private:
    struct target_range {
        disk* on;
        std::uint64_t block;
        std::uint32_t count;
        std::uint32_t bytes() const noexcept { return count * on->model.block_size(); }
    };
    target_range choose(std::uint32_t max_blocks = 1u << 16, std::uint32_t share_of_transfer = 1);

    core::task<> read();
    core::task<> read(target_range r);
    core::task<> write();
    core::task<> write_zeroes();
    core::task<> deallocate();
    core::task<> compare();
    core::task<> compare_and_write();
    core::task<> flush();
    core::task<> nonsense();
    core::task<> half_a_fused_pair();
    /// Submits both with nothing in between.
    core::task<std::pair<nvme::completion, nvme::completion>>
    run_together(nvme::command a, std::span<const iovec> a_data, nvme::command b, std::span<const iovec> b_data);

    /// The probable content of `r`; sometimes wrong on purpose.
    std::vector<value> guess(const target_range& r, moment begin);
    std::vector<std::byte> bytes_of(const target_range& r, const std::vector<value>& values) const;
    void check_compare(const target_range& r, const std::vector<value>& values, moment begin, nvme::status s);

    void end_write(const target_range& r, value v, moment begin, nvme::status s);
    void judge(const char* what, const target_range& r, moment begin, nvme::status s);
    bool excused(const disk& d, moment begin, nvme::status s) const;
    bool lost(nvme::status s) const noexcept;

    simulated_system& system_;
    session_state& session_;
    loop::host_queue& queue_;
};

}  // namespace causeway::simulation
