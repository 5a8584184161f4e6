#pragma once

#include "core/buffer_pool.h"
#include "core/counter.h"
#include "core/result.h"
#include "nvmf/transport.h"

#include <cstdint>

namespace causeway::loop {

/// One core's buffers for commands' data, where it is copied. They can be made to tell on whoever touches them when it
/// has no business there any more: a buffer that nobody has is poisoned, and the poison is looked for when it is taken
/// again. (AddressSanitizer, where it runs, catches the very access.)
class data_buffers {
  public:
    static constexpr std::uint32_t small_bytes = 8192;

    /// Control path. ENOMEM.
    static core::result<data_buffers> create(const nvmf::transport_options& o, bool poisoned);

    /// nullptr: there is none now.
    std::byte* take(std::uint32_t bytes) noexcept;
    /// REQUIRES: take(bytes) has just returned nullptr. What comes to `w.ready` is to be accepted there.
    void wait(core::buffer_pool::waiter& w, std::uint32_t bytes) noexcept;
    void accept(std::byte* buffer, std::uint32_t bytes) noexcept;
    void cancel(core::buffer_pool::waiter& w) noexcept;  ///< REQUIRES: in line
    void give_back(std::byte* buffer, std::uint32_t bytes) noexcept;

    /// How many are taken, and wait. On the core, or while it does not run.
    std::uint32_t taken() const noexcept { return taken_; }
    std::uint32_t waiting() const noexcept { return waiting_; }
    std::uint64_t waits() const noexcept { return pool_.waits(); }
    /// Buffers that somebody wrote to after they had been given back. Looks through those that are free now, too.
    std::uint64_t damaged() noexcept;

  private:
    data_buffers(core::buffer_pool pool, bool poisoned) noexcept;
    void unwrap(std::byte* buffer, std::uint32_t bytes) noexcept;
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
