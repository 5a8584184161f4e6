// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace causeway::bdev_nvme::testing {

// What code touches in memory, by core. A program that is compiled with -fsanitize=thread, and linked with this instead
// of that sanitizer's own library, tells of each access. Recorded is what happens within a turn of a reactor, while
// recording is on; not the stack and what is thread-local, which all cores of a test in one thread share.

struct access_report {
    std::uint64_t reads = 0, writes = 0;
    std::uint64_t atomic_moves = 0;  ///< loads and stores: plain instructions
    std::uint64_t locked = 0;        ///< read-modify-write: instructions that lock the bus, or the line
    std::uint64_t fences = 0;
    std::size_t lines = 0;            ///< of 64 bytes, touched by any core
    std::vector<std::string> shared;  ///< lines that one core writes and another touches: where, and who
};

void record_accesses(bool on);
/// Of all that has been recorded; it is then forgotten. `registers` stand for a device's: no cache holds those.
access_report recorded_accesses(std::span<const std::byte> registers);

}  // namespace causeway::bdev_nvme::testing
