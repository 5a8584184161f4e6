// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/mailbox.h"
#include "core/reactor.h"
#include "nvme/status.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <sys/uio.h>

namespace causeway::bdev {

class device;

enum class op : std::uint8_t { read, write, flush, write_zeroes, unmap, compare, compare_and_write, verify, copy };
inline constexpr unsigned op_count = 9;
std::string_view to_string(op o) noexcept;  ///< "compare_and_write"

/// True for what a read-only device refuses.
constexpr bool changes_content(op o) noexcept {
    return o == op::write || o == op::write_zeroes || o == op::unmap || o == op::compare_and_write || o == op::copy;
}

/// Where copied blocks come from.
struct copy_source {
    std::uint64_t offset_blocks = 0;
    std::uint32_t length_blocks = 0;
};

/// One I/O on its way through a device. Lives inside whatever issued it and comes back to the reactor that issued it,
/// exactly once.
///
/// The issuer fills the request part and calls device::start(); the device fills `status` and calls complete(). In
/// between it is the device's to post as a message, to another core or back.
struct io : core::message {
    using hook = void (*)(io&) noexcept;

    // The request. Untouched by the device.
    op operation{};
    bool force_unit_access = false;
    bool deallocate = false;  ///< write_zeroes only: the issuer would like the blocks to be deallocated
    std::uint64_t offset_blocks = 0;
    std::uint64_t length_blocks = 0;  ///< 0 for flush
    /// Data to read into, to write, or to compare with; length_blocks long altogether.
    std::span<const iovec> data;
    /// compare_and_write only: what is written if `data` compares equal.
    std::span<const iovec> write_data;
    /// copy only: together length_blocks long; they go one after the other to offset_blocks. What becomes of a source
    /// that overlaps where they go is the device's affair.
    std::span<const copy_source> sources;
    hook done = nullptr;      ///< on the issuing reactor
    void* context = nullptr;  ///< the issuer's

    // The outcome.
    nvme::status status{};

    // The device's, while it has the I/O.
    device* owner = nullptr;
    core::reactor* origin = nullptr;  ///< the reactor that issued it
    core::ticks started = 0;
    io* next = nullptr;        ///< for a list of the device's own
    void* back_end = nullptr;  ///< whatever the back end needs to find again
    std::uint64_t back_end_value = 0;

    /// On the issuing reactor: ends the I/O and calls `done`, which may reuse or free it.
    void complete(nvme::status s) noexcept;

    /// Any thread: ends the I/O on the reactor that issued it.
    void complete_from_anywhere(nvme::status s) noexcept;
};

std::size_t bytes_of(std::span<const iovec> buffers) noexcept;
/// Copies between an I/O's buffers and flat memory; `bytes` may end inside a buffer.
void copy_out(std::byte* to, std::span<const iovec> from, std::size_t bytes) noexcept;
void copy_in(std::span<const iovec> to, const std::byte* from, std::size_t bytes) noexcept;
void fill(std::span<const iovec> to, std::byte with) noexcept;
/// True: the first `bytes` of `a` are those at `b`.
bool equal(std::span<const iovec> a, const std::byte* b, std::size_t bytes) noexcept;

}  // namespace causeway::bdev
