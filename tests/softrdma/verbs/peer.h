// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/softrdma/verbs/layout.h"

#include <memory>
#include <mutex>
#include <span>
#include <sys/uio.h>
#include <unordered_map>

namespace softrdma {

/// A process of the fabric as another one sees it: its segment, and ways to its memory and its descriptors. One that
/// has died is still there to look at, and answers to nothing. Thread safe.
class peer {
  public:
    /// The process that a GID names; null if there is none. Blocks for as long as it takes its engine to answer, at
    /// most a second.
    static std::shared_ptr<peer> find(const ibv_gid& gid);
    ~peer();
    peer(const peer&) = delete;

    segment& memory() noexcept { return *segment_; }
    bool is_self() const noexcept { return self_; }
    /// Known to have died.
    bool dead() const noexcept { return dead_.load(std::memory_order_relaxed); }
    /// Asks the system, where no copying of data would tell.
    bool look_alive();

    /// Copies between our memory and theirs. 0, or an errno: ESRCH when it has died, EFAULT when memory is gone.
    int write(std::span<const iovec> ours, std::span<const iovec> theirs);
    int read(std::span<const iovec> ours, std::span<const iovec> theirs);

    void wake_engine();
    void raise(shared_channel& channel);

  private:
    peer(segment* memory, bool self) : segment_(memory), self_(self) {}
    int finish(ssize_t moved, std::size_t wanted);
    int duplicate(int their_fd);

    segment* segment_;
    const bool self_;
    std::atomic<bool> dead_{false};
    int pidfd_ = -1;
    int wake_fd_ = -1;
    std::mutex channels_mutex_;
    struct channel_fd {
        std::uint32_t generation;
        int fd;
    };
    std::unordered_map<const shared_channel*, channel_fd> channels_;
};

/// GIDs name a process and one of its devices.
ibv_gid make_gid(std::uint64_t instance, std::uint32_t device) noexcept;
std::uint64_t instance_of(const ibv_gid& gid) noexcept;
std::uint32_t device_of(const ibv_gid& gid) noexcept;

}  // namespace softrdma
