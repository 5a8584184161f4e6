// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/registry.h"
#include "core/clock.h"
#include "core/reactor_group.h"
#include "core/task.h"
#include "nvmf/target.h"

#include <deque>
#include <functional>
#include <memory>
#include <string>

namespace causeway::fuzz {

/// Reports a violated expectation and ends the process, which libFuzzer records as a finding.
[[noreturn]] void fail(const std::string& what);

inline constexpr std::uint32_t block_size = 512;
inline constexpr std::uint64_t blocks = 8192;
inline constexpr std::uint32_t nsid = 1;  ///< of the namespace that is checked; 2 has blocks of 4 KiB
inline constexpr std::uint16_t io_depth = 16;
inline constexpr std::uint16_t admin_depth = 32;
inline constexpr std::uint32_t in_capsule_size = 4096;
inline constexpr std::uint32_t max_io_size = 128 * 1024;
inline constexpr std::uint32_t small_buffers = 32, large_buffers = 8;

using transport_factory = core::result<std::unique_ptr<nvmf::transport>> (*)(nvmf::target&,
                                                                             const nvmf::transport_options&);

/// A gateway of one reactor whose turns the caller takes, one transport behind a listener at 127.0.0.1.
///
/// Nothing hops to another thread: what may block runs between two turns. Time stands almost still in turn(), so that
/// the reactor makes no system call. In wait() it runs ten times as fast as the machine's, for what other threads have
/// to do; or, where there are none, it goes on as soon as there is nothing to do.
class gateway {
  public:
    enum class pace : std::uint8_t { with_threads, alone };
    gateway(const char* trtype, transport_factory make, std::uint16_t port, pace p);

    /// How much there was to do.
    unsigned turn();
    /// Turns until `done`, with descriptors and timers. False: it is not so after 20 s.
    bool wait(const std::function<bool()>& done);

    nvmf::target& target() noexcept { return target_; }
    nvmf::transport& transport() noexcept { return *transport_; }

    static const std::string nqn;
    static constexpr const char* address = "127.0.0.1";

  private:
    class executor final : public core::blocking_executor {
      public:
        void submit(std::function<void()> work) override { waiting_.push_back(std::move(work)); }
        bool run_one();

      private:
        std::deque<std::function<void()>> waiting_;
    };

    core::task<> build(const char* trtype, transport_factory make, std::uint16_t port);

    const pace pace_;
    core::virtual_clock clock_;
    executor executor_;
    core::reactor_group group_;
    core::placement homes_{group_};
    bdev::registry devices_;
    nvmf::target target_;
    nvmf::transport* transport_ = nullptr;
};

}  // namespace causeway::fuzz
