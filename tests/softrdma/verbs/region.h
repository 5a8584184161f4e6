// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/softrdma/verbs/layout.h"

#include <atomic>
#include <infiniband/verbs.h>
#include <span>
#include <sys/uio.h>

namespace softrdma {

struct protection_domain : ibv_pd {
    std::uint32_t number;
    std::atomic<unsigned> users{0};  ///< regions, queue pairs, SRQs

    static protection_domain& of(ibv_pd* pd) noexcept { return *static_cast<protection_domain*>(pd); }
};

/// Registered memory in use by one transfer: its owner cannot deregister it meanwhile. Of any process' segment.
class region_use {
  public:
    /// Not valid() if `key` does not give `access` to all of these bytes in protection domain `pd`.
    region_use(segment& in, std::uint32_t key, std::uint32_t pd, std::uint64_t iova, std::uint64_t length,
               std::uint32_t access) noexcept;
    ~region_use();
    region_use(const region_use&) = delete;

    bool valid() const noexcept { return region_ != nullptr; }
    /// In the owner's address space.
    void* address() const noexcept { return address_; }

  private:
    shared_region* region_;
    void* address_ = nullptr;
};

/// The bytes of a scatter-gather list, in use by one transfer.
class buffers {
  public:
    buffers(segment& in, std::span<const ibv_sge> list, std::uint32_t pd, std::uint32_t access) noexcept;
    ~buffers();
    buffers(const buffers&) = delete;

    bool valid() const noexcept { return valid_; }
    std::uint64_t length() const noexcept { return length_; }
    /// In the owner's address space; of no more than the first `length` bytes.
    std::span<const iovec> pieces(std::uint64_t length) noexcept;
    std::span<const iovec> pieces() const noexcept { return {pieces_.data(), count_}; }

  private:
    std::array<iovec, max_sge> pieces_;
    std::array<shared_region*, max_sge> regions_;
    std::size_t count_ = 0;
    std::uint64_t length_ = 0;
    bool valid_ = true;
};

/// Takes the remote rights from a key, as SEND with invalidate does. False if it is no key of that domain with remote
/// rights.
bool invalidate(segment& in, std::uint32_t key, std::uint32_t pd) noexcept;

/// Work requests that are posted and not polled hold on to what they refer to: deregistering that is reported.
void refer_to(segment& own, std::span<const ibv_sge> pieces, int change) noexcept;

}  // namespace softrdma
