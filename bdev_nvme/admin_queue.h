// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev_nvme/completion_ring.h"
#include "bdev_nvme/doorbell.h"
#include "core/dma_memory.h"
#include "core/poller.h"
#include "core/result.h"
#include "core/task.h"
#include "core/timer.h"
#include "nvme/command.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace causeway::bdev_nvme {

/// The admin queues of a controller: commands as coroutines, and asynchronous events. Lives on the control reactor.
///
/// Each entry has a page of its own for data, so that a controller that answers too late writes nowhere else. While
/// nothing but requests for events is outstanding it is looked at once a period: it costs the core's turns nothing, and
/// the core may sleep.
class admin_queue final : core::poller {
  public:
    static constexpr std::uint32_t entries = 32;
    static constexpr std::size_t max_data_bytes = 4096;

    struct limits {
        core::nanoseconds command = std::chrono::seconds(30);
        core::nanoseconds idle_period = std::chrono::milliseconds(10);
    };

    /// `about`: the controller, in errors.
    admin_queue(core::reactor& control, std::string about);
    ~admin_queue() override;

    /// ENOMEM. Once, before anything else.
    core::result<> allocate();
    std::uint64_t submission_address() const noexcept { return reinterpret_cast<std::uintptr_t>(submissions_.data()); }
    std::uint64_t completion_address() const noexcept { return reinterpret_cast<std::uintptr_t>(completions_.data()); }

    /// Both queues are empty again. Then the controller may be enabled, and commands be run. `broken(why)`: its
    /// completions cannot be, and the queue has been closed; called in a turn of its own. REQUIRES: closed.
    void open(doorbell submission, doorbell completion, limits l, std::function<void(const char* why)> broken);
    void set_limits(limits l);
    /// All commands that run end with `why`, and so do those that come. The memory is not released.
    void close(const core::error& why);

    /// `from_device`: where what the command reads goes, 4 KiB at most. EIO (refused: the status is in the sentence),
    /// ETIMEDOUT, EBUSY (all entries taken), what close() was told. `c` needs no data pointer.
    core::task<core::result<nvme::completion>> run(nvme::command c, std::span<std::byte> from_device = {});

    /// Asks for events: `told(dw0)` is called for each, and the request is repeated by `listen(1, …)`. Errors end the
    /// listening.
    void listen(unsigned requests, std::function<void(std::uint32_t dw0)> on_event);

    /// False: closed, or the controller has not answered a command: it answers no other either.
    bool usable() const noexcept { return open_ && timeouts_ == 0; }

  private:
    struct slot {
        std::uint16_t cid = 0;  ///< of its last command; the low bits are its index
        bool used = false;
        bool event = false;
        core::ticks due = 0;
        core::one_shot<core::result<nvme::completion>>* waiting =
            nullptr;                         ///< nullptr: an event, or no task waits any longer
        std::span<std::byte> from_device{};  ///< of the waiter: where the data goes
    };

    unsigned poll(unsigned budget) noexcept override;
    void flush() noexcept override;
    bool arm() noexcept override { return false; }  // while it is registered a command is awaited
    void follow();
    void look();

    slot* take();
    void put(nvme::command c, const slot& s);
    std::byte* page_of(const slot& s) const noexcept;
    void completed(const completion_ring::completion& a);
    void check_timeouts();

    core::reactor& control_;
    const std::string about_;
    bool open_ = false;
    core::error closed_because_;
    limits limits_;
    doorbell submission_;
    doorbell completion_;
    std::uint32_t tail_ = 0;
    std::uint32_t rung_tail_ = 0;
    completion_ring completion_ring_;
    std::vector<slot> slots_;
    unsigned awaited_ = 0;        ///< commands that are awaited
    std::uint64_t timeouts_ = 0;  ///< since open()
    std::function<void(std::uint32_t)> on_event_;
    std::function<void(const char*)> broken_;
    core::dma_memory submissions_;
    core::dma_memory completions_;
    core::dma_memory pages_;
    bool followed_ = false;
    core::poller_registration polling_;
    std::unique_ptr<core::timer> timer_;
};

}  // namespace causeway::bdev_nvme
