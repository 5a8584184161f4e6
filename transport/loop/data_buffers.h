// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/buffer_pool.h"
#include "core/counter.h"
#include "core/result.h"
#include "nvmf/transport.h"

#include <cstdint>

namespace causeway::loop {

/// One core's buffers for commands' data, where it is copied. They can detect use after release: a free buffer is
/// poisoned, and the poison is checked when the buffer is taken again. (AddressSanitizer, where it runs, catches the
/// very access.)
class data_buffers {
  public:
    static constexpr std::uint32_t small_bytes = 8192;

    /// Control path. ENOMEM.
    static core::result<data_buffers> create(const nvmf::transport_options& o, bool poisoned);

    /// As of core::buffer_pool; `bytes` are those that take() was asked for.
    bool take(core::buffer_claim& c, std::uint32_t bytes, const core::buffer_holders& on_behalf_of,
              core::accounts_at_hand& at_hand) noexcept {
        if (!pool_.take(c, bytes, on_behalf_of, at_hand))
            return false;
        unwrap(c.data, bytes);
        return true;
    }
    void wait(core::buffer_claim& c) noexcept;
    /// What comes to `c.ready` is to be accepted there.
    void accept(core::buffer_claim& c, std::uint32_t bytes) noexcept;
    /// The host's data is copied: from now on it is the disk's.
    void transfer_to_disk(core::buffer_claim& c) noexcept { pool_.transfer_to(c, core::buffer_user::ns); }
    void cancel(core::buffer_claim& c) noexcept;  ///< REQUIRES: it waits
    void release(core::buffer_claim& c, std::uint32_t bytes) noexcept {
        --taken_;
        if (poisoned_) [[unlikely]]
            poison(c.data, whole(bytes));
        pool_.release(c);
    }

    /// How many are taken, and wait. On the core, or while it does not run.
    std::uint32_t taken() const noexcept { return taken_; }
    std::uint32_t waiting() const noexcept { return waiting_; }
    std::uint64_t waits() const noexcept { return pool_.waits(); }
    /// Buffers that were written to after their release. Looks through those that are free now, too.
    std::uint64_t damaged() noexcept;

  private:
    data_buffers(core::buffer_pool pool, bool poisoned) noexcept;
    void unwrap(std::byte* buffer, std::uint32_t bytes) noexcept {
        ++taken_;
        if (poisoned_) [[unlikely]]
            damaged_ += !intact(buffer, whole(bytes));
    }
    void poison(std::byte* buffer, std::size_t bytes) noexcept;
    bool intact(const std::byte* buffer, std::size_t bytes) const noexcept;
    std::size_t whole(std::uint32_t bytes) const noexcept;

    core::buffer_pool pool_;
    bool poisoned_;
    std::uint32_t taken_ = 0;
    std::uint32_t waiting_ = 0;
    std::uint64_t damaged_ = 0;
};

}  // namespace causeway::loop
