// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/task.h"
#include "core/unique_fd.h"
#include "transport/common/poll_group.h"
#include "transport/tcp/options.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace causeway::tcp {

class qpair;

/// The connections of one core. Connections that have just had something to say are received from directly, which costs
/// one system call; the others are asked for with epoll, all at once, and so are all before the core sleeps.
class poll_group final : public common::poll_group {
  public:
    /// Any thread; takes its time. ENOMEM, EMFILE.
    static core::result<std::unique_ptr<poll_group>> create(core::reactor& home, nvmf::target& target,
                                                            const transport_options& options);
    ~poll_group() override;

    // On the home reactor from here on.
    void start();
    core::task<> stop();

    core::result<> join(qpair& q);  ///< ENOSPC, ENOMEM
    void leave(qpair& q) noexcept;

    // core::poller
    unsigned poll(unsigned budget) noexcept override;
    void flush() noexcept override;
    bool arm() noexcept override;

    // Queue pairs'.
    void mark_dirty(qpair& q) noexcept;
    /// It may be interested in other things, or have more to receive, than before.
    void changed(qpair& q) noexcept;
    /// For what is not received in place. What is in it lasts until the next receive.
    std::span<std::byte> scratch() noexcept { return scratch_; }

    /// What reactor::stalls() said before all connections were last asked whether they have something to read: those
    /// that had nothing have been read to their end by then. See nvmf::qpair::stall_epoch.
    std::uint32_t quiet_epoch() const noexcept { return quiet_epoch_; }

    bool c2h_success() const noexcept { return c2h_success_; }

    /// Written by this core, read by any thread.
    struct statistics : common::poll_statistics {
        core::counter receives;    ///< system calls that got something
        core::counter sends;       ///< system calls
        core::counter blocked;     ///< sends that the network did not take whole
        core::counter violations;  ///< connections that were ended for them
    };
    statistics& stats() noexcept { return stats_; }
    const statistics& stats() const noexcept { return stats_; }

  private:
    poll_group(core::reactor& home, nvmf::target& target, const transport_options& options, int epoll_fd,
               core::buffer_pool buffers);
    void make_own_buffer() noexcept;
    unsigned poll_hot(unsigned budget) noexcept;
    unsigned poll_all() noexcept;
    unsigned receive(qpair& q) noexcept;
    void mark_hot(qpair& q) noexcept;
    void mark_cold(std::size_t i) noexcept;

    const bool c2h_success_;
    const core::unique_fd epoll_fd_;
    std::optional<core::fd_watch> watch_;
    core::poller_registration registration_;
    std::vector<std::unique_ptr<std::byte[]>> own_memory_;
    std::vector<std::byte> scratch_;

    std::vector<qpair*> hot_;
    std::size_t next_hot_ = 0;
    std::uint32_t quiet_epoch_ = 0;
    unsigned until_all_ = 0;  ///< turns until all connections are asked for
    std::vector<qpair*> dirty_, flushing_;
    std::size_t members_ = 0;
    statistics stats_;
};

}  // namespace causeway::tcp
