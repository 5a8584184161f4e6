// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/command.h"
#include "nvme/log_page.h"
#include "nvmf/complete.h"
#include "nvmf/core_counters.h"
#include "nvmf/model/nvm_namespace.h"
#include "nvmf/target_side.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace causeway::nvmf {

/// What a command takes of its namespace's limits.
enum class metered : std::uint8_t {
    no,
    io,    ///< an I/O that moves no data, or whose data is counted when it runs
    read,  ///< an I/O, and bytes read
    write,
};

/// An I/O command: what begin() checks, what execute() runs, and what the Commands Supported and Effects log
/// page says of it.
struct io_command {
    std::uint8_t opcode = 0;
    std::string_view name{};  ///< empty: not supported
    transfer direction = transfer::none;
    std::uint32_t effects = 0;
    /// Sets r.length where data moves.
    verdict (*check)(request& r, const core_namespace& ns) noexcept = nullptr;
    void (*run)(request& r) noexcept = nullptr;
    metered cost = metered::no;
    bool allows_broadcast_nsid = false;  ///< NSID FFFFFFFFh means all namespaces
    /// Offered to hosts only if every namespace's device supports it; elsewhere it is Invalid Opcode.
    std::optional<bdev::op> required_op{};
    bool of_reservations = false;  ///< likewise, by namespaces that have reservations
    /// Where limits are all that restricts a namespace: check(), and admit().
    verdict (*check_throttled)(request& r, const core_namespace& ns) noexcept = nullptr;
};

// block_commands.cc
verdict check_read(request& r, const core_namespace& ns) noexcept;
verdict check_write(request& r, const core_namespace& ns) noexcept;
verdict check_compare(request& r, const core_namespace& ns) noexcept;
verdict check_write_zeroes(request& r, const core_namespace& ns) noexcept;
verdict check_verify(request& r, const core_namespace& ns) noexcept;
verdict check_throttled_read(request& r, const core_namespace& ns) noexcept;
verdict check_throttled_write(request& r, const core_namespace& ns) noexcept;
void run_read(request& r) noexcept;
void run_write(request& r) noexcept;
void run_compare(request& r) noexcept;
void run_write_zeroes(request& r) noexcept;
void run_verify(request& r) noexcept;

// flush.cc
verdict check_flush(request& r, const core_namespace& ns) noexcept;
void run_flush(request& r) noexcept;

// dataset_management.cc
verdict check_dsm(request& r, const core_namespace& ns) noexcept;
void run_dsm(request& r) noexcept;

// copy.cc
verdict check_copy(request& r, const core_namespace& ns) noexcept;
void run_copy(request& r) noexcept;
/// Sources of one Copy: as many as the device takes, and a request has room for.
inline std::uint32_t max_copy_sources(const bdev::device& d) noexcept {
    return std::min<std::uint32_t>(d.geometry().copy_sources, request_target_side::max_copy_sources);
}

// reservations.cc
verdict check_reservation_register(request& r, const core_namespace& ns) noexcept;
verdict check_reservation_report(request& r, const core_namespace& ns) noexcept;
verdict check_reservation_acquire(request& r, const core_namespace& ns) noexcept;
verdict check_reservation_release(request& r, const core_namespace& ns) noexcept;
void run_reservation_register(request& r) noexcept;
void run_reservation_report(request& r) noexcept;
void run_reservation_acquire(request& r) noexcept;
void run_reservation_release(request& r) noexcept;

// refusals.cc
/// Whether the refusals of the namespace, which are not 0, let the command pass.
verdict check_refusals(const request& r, const core_namespace& ns) noexcept;
/// For a command that is about to run, or to go on, and was checked under another admission than that of `ns`: whether
/// it may still run there. `ns` is what its nsid is now; nullptr: nothing.
verdict check_again(request& r, const core_namespace* ns) noexcept;
/// Likewise, and calls its run() from the beginning if it may, or responds.
void run_if_still_good(request& r, const core_namespace* ns) noexcept;

// throttle.cc
/// Whether a checked command on a throttled namespace may go on now. `deferred`: it waits, and begin() returns that.
/// REQUIRES: not half of a fused pair.
verdict admit(request& r, const core_namespace& ns) noexcept;
/// The same where its core has no credit at hand for it, or hosts have limits of their own.
verdict draw_or_wait(request& r, const core_namespace& ns) noexcept;
/// As admit(), for the first half of a fused pair, which takes what both halves cost. If it waits, resume_halves() is
/// called when it may go on.
verdict admit_pair(request& first, const core_namespace& ns) noexcept;
/// As check() and admit(), for a command that is not worth a function of its own.
verdict check_and_admit(request& r, const core_namespace& ns) noexcept;
/// What a command turns out to move besides what it was admitted for.
void charge(const request& r, const core_namespace& ns, bdev::op o, std::uint64_t blocks) noexcept;

// fused.cc
/// Begins a command that is fused, or comes where the second half of a fused pair was expected, or has other
/// bits than usual in its flags.
nvme::status begin_unusual(request& r) noexcept;
/// Another command has come where the second half of a fused pair was expected.
void cancel_expected_second(qpair& q) noexcept;
/// The transport abandons a request that begin() had accepted: a half takes its other half along.
void abandon_half(request& r) noexcept;
/// A half that has waited for credit goes on, and so does the other half if it has waited for this one.
void resume_halves(request& r) noexcept;
/// For Abort: aborts an executed half of a fused pair that waits for the other.
bool abort_fused(qpair& q, std::uint16_t cid) noexcept;
/// At the end of a connection: no half waits any longer.
void end_fused(qpair& q) noexcept;

/// The check that begin() makes of every I/O command. Sets run, transfer, length and ns_admission. `deferred`: it is
/// good, and waits.
verdict check_io(request& r) noexcept;
/// The same for half of a fused pair, which takes nothing of its namespace's limits by itself.
verdict check_half(request& r) noexcept;

/// Of io_command::check_throttled. By opcode: with UBSan, g++ 12 compares no functions in a constant expression.
constexpr auto throttled_check_of(const io_command& c) noexcept {
    if (c.cost == metered::no)
        return c.check;
    if (c.opcode == nvme::to_underlying(nvme::io_opcode::read))
        return check_throttled_read;
    return c.opcode == nvme::to_underlying(nvme::io_opcode::write) ? check_throttled_write : check_and_admit;
}

/// By opcode. What is absent here is refused, and absent from the effects log page.
inline constexpr auto io_commands = [] {
    using namespace nvme;
    constexpr std::uint32_t reads = effect_supported;
    constexpr std::uint32_t writes = effect_supported | effect_changes_content;
    // clang-format off
    constexpr io_command list[] = {
        {0x00, "flush",        transfer::none,      writes, check_flush,        run_flush, metered::no, true},
        {0x01, "write",        transfer::from_host, writes, check_write,        run_write, metered::write},
        {0x02, "read",         transfer::to_host,   reads,  check_read,         run_read, metered::read},
        {0x05, "compare",      transfer::from_host, reads,  check_compare,      run_compare, metered::read},
        {0x08, "write_zeroes", transfer::none,      writes, check_write_zeroes, run_write_zeroes, metered::io},
        {0x09, "dsm",          transfer::from_host, writes, check_dsm,          run_dsm, metered::io},
        {0x0c, "verify",       transfer::none,      reads,  check_verify,       run_verify, metered::read,
         false, bdev::op::verify},
        {0x19, "copy",         transfer::from_host, writes, check_copy,         run_copy, metered::io,
         false, bdev::op::copy},

        {0x0d, "reservation_register", transfer::from_host, reads, check_reservation_register,
         run_reservation_register, metered::no, false, {}, true},
        {0x0e, "reservation_report", transfer::to_host, reads, check_reservation_report, run_reservation_report,
         metered::no, false, {}, true},
        {0x11, "reservation_acquire", transfer::from_host, reads, check_reservation_acquire, run_reservation_acquire,
         metered::no, false, {}, true},
        {0x15, "reservation_release", transfer::from_host, reads, check_reservation_release, run_reservation_release,
         metered::no, false, {}, true},
    };
    // clang-format on
    std::array<io_command, 256> table{};
    for (const io_command& c : list) {
        table[c.opcode] = c;
        table[c.opcode].check_throttled = throttled_check_of(c);
    }
    return table;
}();

/// Fabrics commands use SGLs: PSDT 01b, and no fused operation. All but a few commands have this in their
/// flags.
inline constexpr std::uint8_t plain_flags = nvme::to_underlying(nvme::psdt::sgl) << 6;

/// Whether these blocks are on the namespace. In an order in which nothing overflows.
inline bool holds(const core_namespace& ns, std::uint64_t slba, std::uint64_t blocks) noexcept {
    const std::uint64_t size = ns.device->blocks();
    return blocks <= size && slba <= size - blocks;
}

/// What a command's run() begins with: takes its namespace, and counts it there. nullptr: the request has been dealt
/// with, because the namespace has gone or what it refuses has changed meanwhile.
inline core_namespace* acquire_namespace(request& r) noexcept {
    core_namespace* ns = side_of(*r.qpair).namespaces->find(r.command.nsid);
    if (!ns || ns->admission != side_of(r).ns_admission) [[unlikely]] {
        run_if_still_good(r, ns);  // in the place of the caller, which a call in between would cost a frame
        return nullptr;
    }
    ++ns->in_flight;
    side_of(r).ns = ns;
    return ns;
}

/// Whether a command that changes content may have been overtaken: its core has stalled since its host sent it. A host
/// that has given this connection up meanwhile may have written elsewhere, and a late write would land on newer data.
inline bool is_stale(const request& r) noexcept {
    return side_of(r).stall_epoch != r.qpair->home().stalls();
}

/// As enter(), for a command that changes content. nullptr, too, if it is stale: a host that is still there sends it
/// again.
inline core_namespace* acquire_namespace_to_change(request& r) noexcept {
    if (is_stale(r)) [[unlikely]] {
        side_of(*r.qpair).counters->stale_commands.add();
        finish_logged(r, nvme::sc::command_interrupted);
        return nullptr;
    }
    return acquire_namespace(r);
}

inline void release_namespace(request& r) noexcept {
    core_namespace& ns = *std::exchange(side_of(r).ns, nullptr);
    if (--ns.in_flight == 0 && ns.drained) [[unlikely]]
        r.qpair->home().post(*std::exchange(ns.drained, nullptr));
}

}  // namespace causeway::nvmf
