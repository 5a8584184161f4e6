// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/io.h"
#include "core/background.h"
#include "nvme/command.h"
#include "nvme/status.h"

#include <array>
#include <cstdint>
#include <span>

namespace causeway::nvmf {

class qpair;
class request;
struct core_namespace;
struct qos_flow;

/// What begin() returns for a request that has to wait, see transport.h: no status that a host can see.
inline constexpr nvme::status deferred = [] {
    nvme::status s;
    s.value = 0x8001;  // bit 15 is the phase tag's
    return s;
}();
static_assert(!deferred.ok());

enum class transfer : std::uint8_t { none, to_host, from_host };

/// A request as its transport fills it in.
struct request_transport_side {
    static constexpr unsigned max_segments = 4;

    // Before begin().
    nvmf::qpair* qpair = nullptr;
    nvme::command command;

    // Before execute(): request::length bytes altogether. Valid until respond() has been called.
    std::array<iovec, max_segments> segments;
    unsigned segment_count = 0;
    std::span<const iovec> data() const noexcept { return {segments.data(), segment_count}; }
};

/// What the target keeps about a request from begin() to respond(). `nvmf/target_side.h` gives access.
struct request_target_side {
    /// Of a Copy. More of them would cost every request their room.
    static constexpr unsigned max_copy_sources = 16;

    bdev::io io;
    void (*run)(request&) noexcept = nullptr;  ///< what execute() calls; begin() has chosen it
    core_namespace* ns = nullptr;              ///< that it executes on
    std::uint32_t stall_epoch = 0;             ///< its qpair's when it began
    std::uint32_t metered_ios = 0;             ///< that it waits for, in a flow
    std::uint64_t ns_admission = 0;            ///< of the namespace that it was checked against, at that time
    request* fused = nullptr;                  ///< the other half of a fused pair
    request* next = nullptr;                   ///< in a list of the target's
    request* previous = nullptr;               ///< in a flow
    qos_flow* flow = nullptr;                  ///< that it waits in for credit
    std::uint64_t metered_bytes = 0;           ///< as metered_ios
    std::uint32_t cursor = 0;                  ///< of commands that take several device I/Os
    bool starting_io = false;                  ///< one of those is being started
    bool completed_inline = false;             ///< and has ended at once
    bool waits_for_fused = false;              ///< executed; its other half has not been
    bool half_is_deferred = false;             ///< half of a fused pair that waits for credit, itself or by the first
    std::array<bdev::copy_source, max_copy_sources> copy_sources;
};

/// One command on its way. Embedded in the transport's own request; lives on its qpair's reactor, and travels as a
/// message to the control reactor and back when it is an admin command.
class request : public core::background_message, public request_transport_side {
  public:
    request() noexcept = default;
    request(const request&) = delete;
    request& operator=(const request&) = delete;

    // Set by begin().
    nvmf::transfer transfer = nvmf::transfer::none;
    std::uint32_t length = 0;  ///< bytes of data that the command moves

    /// dw0, dw1 and status, set by the target before respond(). The transport adds cid and sqhd.
    nvme::completion completion;
    nvme::status status() const noexcept { return status_; }
    void set_status(nvme::status s) noexcept { status_ = s; }
    /// Bytes of `length` that are worth sending to the host (all of them, unless the command failed).
    bool has_data_for_host() const noexcept { return transfer == nvmf::transfer::to_host && status_.ok(); }

    // What a transport may ask about fused pairs, after begin().

    /// nullptr: it is not a half of a fused pair, or the second half has not come yet, or one of them was abandoned.
    request* other_half() const noexcept { return target_side_.fused; }
    /// Whether execute() starts it at once. A half of a fused pair waits for the data of the other half, and until both
    /// are there the host has a part in the buffer that they share.
    bool starts_when_executed() const noexcept {
        return command.fuse() == nvme::fuse::normal ||
               (target_side_.fused && target_side_.fused->target_side_.waits_for_fused);
    }

  private:
    friend struct target_side_access;

    nvme::status status_{};
    request_target_side target_side_;
};

}  // namespace causeway::nvmf
